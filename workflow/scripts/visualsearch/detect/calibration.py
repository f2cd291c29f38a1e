"""Networks in int8, calibrated by NNCF on a sample of the run's own pictures.

Needs nncf (requirements-int8.txt) and openvino, but only to calibrate. How and why:
docs/performance.md, section "int8".
https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training/basic-quantization-flow.html
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.core.errors import InputError
from visualsearch.core.progress import progress
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.detect.failures import Failures
from visualsearch.detect.networks import openvino

log = logging.getLogger(__name__)

# NNCF's documentation advises 300. With a ResNet-50 each picture costs 5 s of a core, and memory
# grows with their number: 50 took 3.9 to more than 6.1 GB.
SAMPLE_SIZE = 50
SEED = 0
# NNCF's slow correction of biases is its more accurate one.
FAST_BIAS_CORRECTION = False
# Operations that multiply with weights.
WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
AGAIN = "run again with --forcerun fetch_weights"

# Gives the input of a network for an upright RGB image.
InputOf = Callable[[Image.Image], NDArray[Any]]


class Sample:
    """The pictures of a run by which its networks are calibrated.

    They are chosen by a hash of their content. So neither names nor order, shards or copies of a
    picture matter.

    manifest, folder: as of data.pictures.Places.
    """

    def __init__(self, manifest: str | Path, folder: str | None) -> None:
        self._manifest, self._folder = manifest, folder

    @cached_property
    def pictures(self) -> list[Picture]:
        """At most SAMPLE_SIZE pictures, in an order of their own."""
        by_content = {each.sha256: each for each in Pictures(self._manifest, self._folder)}
        return [by_content[sha256] for sha256 in sorted(by_content, key=_lot)[:SAMPLE_SIZE]]

    def describe(self) -> dict[str, Any]:
        """Return what detector.json says of the sample."""
        content = "\n".join(picture.sha256 for picture in self.pictures)
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        return {"images": len(self.pictures), "sha256": sha256}


def _lot(sha256: str) -> bytes:
    return hashlib.sha256(f"{SEED} {sha256}".encode()).digest()


def calibrated(
    name: str,
    convert: Callable[[], Any],
    input_of: InputOf,
    calibrated_on: dict[str, Any],
    sample: Sample | None,
) -> Any:
    """Return an openvino.Model in int8.

    name: for messages. convert: gives it in fp32. calibrated_on: what detector.json says of the
    sample.
    """
    if sample is None or sample.describe() != calibrated_on:
        raise InputError(
            f"the network {name} in int8 is not in the cache of the results, and the pictures "
            f"that it was calibrated on are missing; {AGAIN}"
        )
    return quantize(name, convert(), sample.pictures, input_of)


def quantize(name: str, model: Any, pictures: list[Picture], input_of: InputOf) -> Any:
    """Return an openvino.Model in int8 of one in fp32, calibrated on pictures. name: for the log.

    Pictures that the network cannot take are left out.
    """
    nncf = _import_nncf()
    inputs = _Inputs(name, pictures, input_of)
    # Bars on stdout, which look bad in a log.
    with redirect_stdout(io.StringIO()), _one_thread():
        return nncf.quantize(
            model,
            nncf.Dataset(inputs),
            # One more than there are, so that NNCF reads to the end.
            subset_size=len(pictures) + 1,
            # Activations may have both signs: a MobileNetV2 has layers without ReLU.
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=FAST_BIAS_CORRECTION,
            ignored_scope=nncf.IgnoredScope(names=_names_after_the_weights(model)),
            # Weights in half of the range. In the whole of it, sums overflow on processors without
            # VNNI, such as AMD's before Zen 4.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )


def _import_nncf() -> Any:
    """Import nncf, whose log goes to ours. It reports nothing to its makers."""
    openvino()  # turns off the telemetry of both
    # It warns on machines that have CUDA and no GPU.
    logging.getLogger("torch.utils.cpp_extension").disabled = True
    import nncf

    logger = logging.getLogger("nncf")
    logger.handlers.clear()
    logger.propagate = True
    # Its warnings are of options that nobody set.
    logger.setLevel(logging.ERROR)
    return nncf


class _Inputs:
    """The inputs of a network for pictures, read anew each time."""

    def __init__(self, name: str, pictures: list[Picture], input_of: InputOf) -> None:
        self._name, self._pictures, self._input_of = name, pictures, input_of

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        failures, done = Failures(), 0
        for picture in progress(self._pictures, f"calibrate {self._name}", "images"):
            try:
                network_input = self._input_of(picture.read().image)
            except Exception as error:
                failures.left_out(error, picture.path)
                continue
            failures.succeeded()
            done += 1
            yield network_input
        if not done:
            raise InputError(
                "detector.precision is int8, and the detector can process none of the pictures "
                "for calibration; set it to auto"
            )
        log.info("calibrate %s: correcting the biases of its layers", self._name)


def _names_after_the_weights(model: Any) -> list[str]:
    """Names of the operations that no weights follow: they decode boxes and scores.

    The bias of the last weights is not among them.
    """
    precede: set[str] = set()
    names = []
    for operation in reversed(model.get_ordered_ops()):
        name, kind = operation.get_friendly_name(), operation.get_type_name()
        following = {
            target.get_node().get_friendly_name()
            for output in operation.outputs()
            for target in output.get_target_inputs()
        }
        if kind in WEIGHTED or following & precede:
            precede.add(name)
        elif kind not in ("Constant", "Result", "Parameter") and not _is_bias(operation):
            names.append(name)
    return sorted(names)


def _is_bias(operation: Any) -> bool:
    return operation.get_type_name() == "Add" and any(
        value.get_node().get_type_name() in WEIGHTED for value in operation.input_values()
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let NNCF, which has no option for it, compute on one thread.

    Results must not depend on the number of cores, and a job has one.
    """
    runtime = openvino()
    plain = runtime.Core

    class Core(plain):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            self.set_property("CPU", {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False})

    runtime.Core = Core
    try:
        yield
    finally:
        runtime.Core = plain
