"""The registry of detectors: the one place that knows their names.

Importing this module does not import torch; `load_detector` does. To add a detector, see
CONTRIBUTING.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualsearch.core.errors import InputError
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED, DETECTORS

if TYPE_CHECKING:
    from visualsearch.detect.base import Detector


def uses_gpu(device: str) -> bool:
    """Whether `detector.device` means a GPU on this machine; without torch, which takes seconds."""
    return device == "cuda" or (device == "auto" and Path("/dev/nvidia0").exists())


def load_described(settings: DetectorSettings, described: dict[str, Any]) -> Detector:
    """Load the detector that `described`, the content of detector.json, describes.

    Its precision is the one chosen when that was written, so that no two machines mix theirs.
    Raises InputError where the weights are no longer the same: vectors of two would mix.
    """
    detector = load_detector(replace(settings, precision=described["precision"]))
    if detector.weights_sha256 != described["weights_sha256"]:
        raise InputError(
            f"the weights of {settings.name} are not those of detections/detector.json any more; "
            "run again with --forcerun fetch_weights, or put the old file back"
        )
    return detector


def load_detector(settings: DetectorSettings) -> Detector:
    """Build the detector that `settings.name` names, with its weights, ready for inference.

    Raises InputError for an unknown name, for weights that are missing, damaged or of another
    shape, and for a device that is not there.
    """
    import torch

    if settings.name not in DETECTORS:
        raise InputError(f"detector.name is {settings.name!r}; known are {', '.join(DETECTORS)}")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "detector.device is 'cuda', but torch sees no GPU here; use 'auto' or 'cpu'"
        )
    # More threads sum in another order, and a result must not depend on the cores. The workflow
    # uses them by running more shards.
    torch.set_num_threads(1)
    if settings.name == BUNDLED:
        from visualsearch.detect.bundled import BundledDetector

        return BundledDetector(settings)
    from visualsearch.detect.torchvision_models import TorchvisionDetector

    return TorchvisionDetector(settings)
