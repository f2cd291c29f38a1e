"""Converts networks from torch to OpenVINO. Needs torch and openvino.

https://docs.openvino.ai/2026/openvino-workflow/model-preparation/convert-model-pytorch.html
"""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from visualsearch.detect.base import TorchDetector
from visualsearch.detect.networks import openvino


def convert(network: nn.Module, example: torch.Tensor, shape: Sequence[int]) -> Any:
    """Return an openvino.Model of a network with one input.

    example: an input. shape: of the inputs to come; -1 for a length that varies.
    """
    runtime = openvino()
    with warnings.catch_warnings(), torch.no_grad():
        # torch.jit.trace is deprecated. torch.export takes twice as long, and minutes for networks
        # that pad by the size of their input.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        network.eval().requires_grad_(False)
        # Traced as a function, weights are constants: a module for each layer takes as long again.
        traced = torch.jit.trace(lambda inputs: network(inputs), example, check_trace=False)
        shapes = [runtime.PartialShape(list(shape))]
        return runtime.convert_model(traced, example_input=example, input=shapes)


class CropMaps(nn.Module):
    """Both maps of crops uint8 [N, H, W, 3], in fp32: the last, and the one before."""

    def __init__(self, detector: TorchDetector) -> None:
        super().__init__()
        self.detector = detector
        # So that `convert` finds its weights.
        self.model = detector.model

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = self.detector.normalise(crops.permute(0, 3, 1, 2).float() / 255)
        before = self.detector.map_before(inputs)
        return self.detector.last_stage(before).float(), before.float()


def convert_crop_maps(detector: TorchDetector, shape: Sequence[int]) -> Any:
    """Return an openvino.Model of CropMaps. shape: of the crops."""
    return convert(CropMaps(detector), torch.zeros(list(shape), dtype=torch.uint8), shape)
