"""Fold batch norms into convolutions, which saves passes over the maps. Needs torch."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_norms(
    module: nn.Module, norms: tuple[type[nn.Module], ...] = (nn.BatchNorm2d,)
) -> nn.Module:
    """Fold each batch norm that directly follows a convolution into it, in place.

    norms: the classes of batch norms; torchvision has one of its own.

    Each parent must run its children in the order in which it lists them, as torchvision's networks
    do. Computes in float64 and rounds once, to the convolution's dtype. Returns `module`. Raises
    ValueError for a norm in training mode: its statistics are not fixed.
    """
    for parent in list(module.modules()):
        for (_, conv), (name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, norms):
                _fold(conv, norm)
                parent.register_module(name, nn.Identity())
    return module


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: Any) -> None:
    if isinstance(norm, nn.BatchNorm2d) and norm.training:
        raise ValueError("a norm in training mode cannot be folded; call eval() first")
    dtype = conv.weight.dtype
    conv.double()
    norm.double()
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.to(dtype)
