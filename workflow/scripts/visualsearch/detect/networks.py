"""Networks in OpenVINO: converted once, kept beside the results, run on one thread of a CPU.

Needs openvino, and torch only for a network that is not kept yet.
https://docs.openvino.ai/2026/openvino-workflow/running-inference.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from visualsearch.core import checksums
from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing_folder
from visualsearch.core.packages import installed_versions
from visualsearch.detect.computing import Kept

if TYPE_CHECKING:
    from visualsearch.detect.calibration import InputOf

log = logging.getLogger(__name__)

# Within the cache of the results (data.row_cache.FOLDER), which may be deleted at any time.
FOLDER = Path("cache", "networks")
HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
# Packages that decide what a network computes. Not every detector has all.
PACKAGES = ("openvino", "torch", "torchvision", "transformers", "nncf")


class Network:
    """A network, ready to run: arrays in, arrays out.

    file: an .xml of OpenVINO's format, whose sizes may be open. precision: a key of HINTS.
    in_bf16: so many of its first outputs come in bf16, unless the precision is fp32. NumPy, which
    has no bf16, shows their bits as float16.
    """

    def __init__(self, file: Path, precision: str, in_bf16: int = 0) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            # Results must not depend on the number of cores.
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            # Jobs side by side would all be pinned to the first core.
            "ENABLE_CPU_PINNING": False,
        }
        runtime = openvino()
        core = runtime.Core()
        model = core.read_model(file)
        if in_bf16 and precision != "fp32":
            last_step = runtime.preprocess.PrePostProcessor(model)
            for number in range(in_bf16):
                last_step.output(number).tensor().set_element_type(runtime.Type.bf16)
            model = last_step.build()
        self._request = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network. The results are valid until the next call."""
        self._request.infer(list(inputs), share_inputs=True, share_outputs=True)
        return [tensor.data for tensor in self._request.output_tensors]


class Networks:
    """The converted networks of one detector.

    detector: its name. weights_sha256: of its weights.
    """

    def __init__(self, detector: str, weights_sha256: str, kept: Kept) -> None:
        made_by = [detector, weights_sha256, _code(), installed_versions(PACKAGES)]
        text = json.dumps(made_by, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        results = _of_this_process().name if kept.results is None else kept.results
        self._folder = Path(results, FOLDER, digest)
        self._kept = kept

    def load(
        self, name: str, precision: str, convert: Callable[[], Any], in_bf16: int = 0
    ) -> Network:
        """Return a network, converted unless it is kept. convert: gives an openvino.Model."""
        return Network(self.file(name, convert), precision, in_bf16)

    def load_for_detection(
        self,
        name: str,
        precision: str,
        convert: Callable[[], Any],
        input_of: InputOf,
        in_bf16: int = 0,
    ) -> Network:
        """Return a network as `load` does, in int8 too. input_of: its input for an image."""
        if precision != "int8":
            return self.load(name, precision, convert, in_bf16)
        # It reads tables, whose package takes a while to import.
        from visualsearch.detect.calibration import calibrated

        _, calibrated_on, sample = self._kept
        if calibrated_on is None:
            raise InputError("int8 needs pictures to calibrate on, those of a run")
        return self.load(
            f"{name}-int8-{calibrated_on['sha256'][:16]}",
            precision,
            lambda: calibrated(name, convert, input_of, calibrated_on, sample),
            in_bf16,
        )

    def file(self, name: str, convert: Callable[[], Any]) -> Path:
        """Return the file of a network, which `convert` makes if it is missing or damaged.

        If the cache cannot be written, as in results on a read-only disk, the network is kept as
        long as the process.
        """
        folder = self._folder / name
        if not _intact(_files(folder)):
            if self._kept.results is not None:
                for other in self._folder.parent.glob("*"):
                    if other != self._folder:
                        shutil.rmtree(other, ignore_errors=True)
            model = convert()
            try:
                _write(model, folder)
            except InputError:
                kept_in = self._folder.parent
                log.warning("%s cannot be written, so a converted network is not kept", kept_in)
                folder = Path(_of_this_process().name, self._folder.name, name)
                _write(model, folder)
        return _files(folder)[0]


def _files(folder: Path) -> list[Path]:
    return [folder / "network.xml", folder / "network.bin"]


def _write(model: Any, folder: Path) -> None:
    with replacing_folder(folder) as new:
        written = [str(file) for file in _files(new)]
        openvino().serialize(model, *written)
        checksums.write(written)


@cache
def _of_this_process() -> TemporaryDirectory[str]:
    """A folder for what is kept nowhere else; it is deleted when the process ends."""
    return TemporaryDirectory(prefix="visualsearch-")


def _intact(files: Iterable[Path]) -> bool:
    """Whether all files are there, as they were written."""
    try:
        checksums.check(map(str, files))
    except InputError:
        return False
    return all(file.is_file() for file in files)


@cache
def openvino() -> Any:
    """Import openvino. Without the package of its own, it reports nothing to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@cache
def has_bf16() -> bool:
    """Return whether this processor multiplies in bf16."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _code() -> str:
    """Return a digest of the modules that build and convert networks."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()
