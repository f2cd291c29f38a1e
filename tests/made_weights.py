"""Weights of the right shape, as none can be downloaded for a test."""

import torch

from visualsearch.detect.torchvision_models import build_model
from visualsearch.settings import DetectorSettings


def random_weights(name: str, seed: int) -> dict[str, torch.Tensor]:
    """One of torchvision's Faster R-CNNs, its heads turned down and to persons."""
    torch.manual_seed(seed)
    state = build_model(DetectorSettings(name), 91).state_dict()
    for key, value in state.items():
        if key.endswith("bn3.weight"):
            value.mul_(0.2)  # keeps the sums of the residual blocks from growing
        if key.startswith(("roi_heads.box_predictor.", "rpn.head.bbox_pred.")):
            value.mul_(0.02)
    state["rpn.head.bbox_pred.bias"].view(-1, 4)[:, 2:] += 2.2  # proposals of a person's size
    state["roi_heads.box_predictor.cls_score.bias"][1] += 6
    return state
