"""What the detectors in torch share. Needs torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from visualsearch.detect.base import Maps, TorchDetector
from visualsearch.detect.precision import finite


def torch_device(name: str) -> torch.device:
    """The device that `detector.device` names; auto is a GPU if torch sees one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def count_parameters(model: torch.nn.Module) -> int:
    """Number of parameters and floating-point buffers, in which frozen norms keep theirs."""
    tensors = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    return sum(tensor.numel() for tensor in tensors)


@torch.inference_mode()
def crop_maps(detector: TorchDetector, crops: NDArray[np.uint8]) -> Maps:
    """Both maps of crops, as `Backbone.crop_maps` promises."""
    inputs = torch.from_numpy(crops).to(detector.device).permute(0, 3, 1, 2).float() / 255
    before = detector.map_before(detector.normalise(inputs))
    maps = {"last": detector.last_stage(before), "before": before}
    return {name: finite(each).float().cpu().numpy() for name, each in maps.items()}
