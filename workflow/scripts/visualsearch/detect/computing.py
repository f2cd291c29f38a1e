"""How a network is computed: by which library, in which number format. Imports neither library."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from visualsearch.core.errors import InputError
from visualsearch.settings import DetectorSettings

if TYPE_CHECKING:
    from visualsearch.detect.calibration import Sample

# One of these is there if torch may see a GPU: NVIDIA's, AMD's, or either on Windows.
GPU_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")


class Computing(NamedTuple):
    """runtime: torch or openvino. precision: of detection. vector_precision: of the vectors."""

    runtime: str
    precision: str
    vector_precision: str

    @classmethod
    def of(cls, described: dict[str, Any]) -> Computing:
        """Return what the content of detector.json says."""
        return cls(*(described[name] for name in cls._fields))


class Kept(NamedTuple):
    """Where converted networks are kept, and what those in int8 are calibrated on.

    results: the folder of the results, in whose cache they are; None to keep them as long as the
    process. calibrated_on: what detector.json says of the sample. sample: None if whatever was
    calibrated must be there already.
    """

    results: str | Path | None = None
    calibrated_on: dict[str, Any] | None = None
    sample: Sample | None = None


def uses_gpu(device: str) -> bool:
    """Whether `detector.device` means a GPU on this machine. Asks the system, as torch is slow."""
    return device == "cuda" or (device == "auto" and Path(GPU_FILES[0]).exists())


def check_precision(settings: DetectorSettings) -> None:
    """Raise InputError if int8 is asked for and the package that calibrates is not installed."""
    if settings.precision == "int8" and find_spec("nncf") is None:
        raise InputError(
            "detector.precision is int8 and its package nncf is not installed; run pip install -r "
            "requirements-int8.txt, or choose another precision"
        )


def resolve(settings: DetectorSettings) -> Computing:
    """Return what detector.runtime and detector.precision mean on this machine.

    Raises InputError for what cannot be had on it.
    """
    on_gpu = _on_gpu(settings.device)
    runtime = settings.runtime
    if settings.precision == "fp16" and not on_gpu and runtime != "torch":
        raise InputError(
            "detector.precision is fp16, which needs a GPU, but this run uses the CPU; set it to "
            "auto, or set detector.runtime to torch, which imitates fp16 slowly"
        )
    if runtime == "auto":
        runtime = "torch" if on_gpu or find_spec("openvino") is None else "openvino"
    if runtime == "openvino":
        return _in_openvino(settings, on_gpu)
    if settings.precision == "int8":
        cause = "OpenVINO is not installed; run pip install openvino"
        if on_gpu:
            cause = "this machine has a GPU; set detector.device to cpu"
        raise InputError(
            f"detector.precision is int8, which OpenVINO computes on a CPU, and {cause}, or set "
            "detector.precision to auto"
        )
    # torch takes seconds to import.
    from visualsearch.detect.precision import resolve as resolve_in_torch

    precision = resolve_in_torch(settings.precision, on_gpu)
    return Computing(runtime, precision, precision)


def _on_gpu(device: str) -> bool:
    if device == "cpu" or (device == "auto" and not any(Path(f).exists() for f in GPU_FILES)):
        return False
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "detector.device is 'cuda', but torch sees no GPU here; use 'auto' or 'cpu'"
        )
    return torch.cuda.is_available()


def _in_openvino(settings: DetectorSettings, on_gpu: bool) -> Computing:
    if on_gpu:
        raise InputError(
            "detector.runtime is openvino, which computes on the CPU here, and detector.device is "
            f"{settings.device}, which is a GPU on this machine; set detector.device to cpu, or "
            "detector.runtime to auto"
        )
    if find_spec("openvino") is None:
        raise InputError(
            "detector.runtime is openvino, which is not installed; run pip install openvino, or "
            "set detector.runtime to auto"
        )
    from visualsearch.detect.networks import has_bf16

    precision = settings.precision
    if precision == "bf16" and not has_bf16():
        raise InputError(
            "detector.precision is bf16, which this processor does not support; set it to auto or "
            "fp32, or set detector.runtime to torch, which imitates bf16 slowly"
        )
    fastest = "bf16" if has_bf16() else "fp32"
    precision = fastest if precision == "auto" else precision
    return Computing("openvino", precision, fastest if precision == "int8" else precision)
