"""torchvision's detection models with their large networks in OpenVINO.

Backbone, pyramid and head run there, and the box head of a two-stage model. What chooses among
boxes is torchvision's own. Needs torch, torchvision and openvino.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from visualsearch.detect.backbone import ConvertedBackbone
from visualsearch.detect.base import Detections, Maps, TorchDetector
from visualsearch.detect.converting import convert
from visualsearch.detect.networks import Network
from visualsearch.detect.torchvision_models import TorchvisionDetector

# torchvision pads pictures to multiples of 32 pixels.
EXAMPLE = (1, 3, 256, 320)


class TorchvisionInOpenVINO:
    """A TorchvisionDetector on a CPU, computed by OpenVINO."""

    mixes_sizes = False
    batch_size = 1

    def __init__(
        self, detector: TorchvisionDetector, backbone: ConvertedBackbone, precision: str
    ) -> None:
        self.categories = detector.categories
        self.weights_sha256 = detector.weights_sha256
        self.map_lengths = backbone.map_lengths
        self.mean_colour = backbone.mean_colour
        self.vector_precision = backbone.vector_precision
        self._backbone = backbone
        self._detector = detector
        self.model = model = detector.model
        load = backbone.networks.load_for_detection
        with_head = _WithHead(model)
        with torch.inference_mode():
            names = [*with_head.backbone(torch.zeros(EXAMPLE))]
        maps = load(
            "maps",
            precision,
            lambda: _convert_maps(with_head),
            self._inputs,
            # What pools boxes from maps reads half the memory.
            in_bf16=len(names) if hasattr(model, "roi_heads") else 0,
        )
        _replace(model, names, with_head.head, maps)
        heads = getattr(model, "roi_heads", None)
        if heads is not None:
            of_boxes = _OfRows(heads.box_head)
            box_head = load(
                "box_head", precision, lambda: _convert_box_head(of_boxes, heads), self._pooled
            )
            heads.box_head = _BoxHead(box_head)
        # Only crops need the parts that these were made of, and have their own network.
        detector.drop_stages()

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        return self._detector.detect(images)

    def _inputs(self, image: Image.Image) -> NDArray[np.float32]:
        """The input of the network of the maps."""
        return self._detector.whole_picture(image).inputs.numpy()

    def _pooled(self, image: Image.Image) -> NDArray[np.float32]:
        """The input of the network of the box head: pooled boxes, in channels-last order."""
        seen: list[torch.Tensor] = []
        head = self._detector.model.roi_heads.box_head
        hook = head.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        try:
            self.detect([image])
        finally:
            hook.remove()
        return _rows_in_fp32(seen[0])

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return self._backbone.crop_maps(crops)

    def in_torch(self) -> TorchDetector:
        return self._backbone.in_torch()


class _WithHead(nn.Module):
    """The maps of a model's pyramid, in channels-last order, and what its head makes of them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = getattr(model, "rpn", model).head

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = [*self.backbone(inputs).values()]
        answers = _flat(self.head(maps))
        return (*(each.permute(0, 2, 3, 1) for each in maps), *answers)


def _convert_maps(network: _WithHead) -> Any:
    return convert(network, torch.zeros(EXAMPLE), [1, 3, -1, -1])


class _OfRows(nn.Module):
    """The box head, for pooled boxes in channels-last order."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.head(pooled.permute(0, 3, 1, 2))


def _convert_box_head(network: _OfRows, heads: Any) -> Any:
    size, channels = heads.box_roi_pool.output_size, 256
    return convert(network, torch.zeros(2, *size, channels), [-1, *size, channels])


def _flat(answer: Any) -> list[torch.Tensor]:
    """Return the tensors of a head's answer: a dict of tensors, or lists of one for each map."""
    parts = answer.values() if isinstance(answer, dict) else answer
    return [each for part in parts for each in (part if isinstance(part, list) else [part])]


def _replace(model: Any, names: Sequence[str], head: nn.Module, network: Network) -> None:
    """Put a network in the place of a model's backbone, with maps of these names, and its head."""
    head = _Head(head, len(names))
    getattr(model, "rpn", model).head = head
    model.backbone = _Pyramid(network, names, head)


class _Pyramid(nn.Module):
    """Gives the maps by name, and the rest of the network's answer to the head."""

    def __init__(self, network: Network, names: Sequence[str], head: _Head) -> None:
        super().__init__()
        self._network, self._names = network, names
        self._answers = head.answers

    def forward(self, inputs: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        results = [_tensor(each) for each in self._network(inputs.numpy())]
        n = len(self._names)
        self._answers[:] = results[n:]
        maps = [each.permute(0, 3, 1, 2) for each in results[:n]]
        return OrderedDict(zip(self._names, maps, strict=True))


def _tensor(output: NDArray[Any]) -> torch.Tensor:
    """Return an output of a network, whose bf16 comes as float16."""
    tensor = torch.from_numpy(output)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.float16 else tensor


class _Head(nn.Module):
    """Gives what the pyramid's network has computed, in the form of the head it replaces."""

    def __init__(self, head: nn.Module, levels: int) -> None:
        super().__init__()
        self.answers: list[torch.Tensor] = []
        with torch.inference_mode():
            form = head([torch.zeros(1, 256, 1, 1)] * levels)
        self._names = [*form] if isinstance(form, dict) else None

    def forward(self, maps: list[torch.Tensor]) -> Any:
        if self._names:
            return dict(zip(self._names, self.answers, strict=True))
        return self.answers[: len(maps)], self.answers[len(maps) :]


class _BoxHead(nn.Module):
    def __init__(self, network: Callable[..., list[NDArray[np.float32]]]) -> None:
        super().__init__()
        self._network = network

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        [rows] = self._network(_rows_in_fp32(pooled))
        return torch.from_numpy(rows)


def _rows_in_fp32(pooled: torch.Tensor) -> NDArray[np.float32]:
    """Return pooled boxes in channels-last order, which they are in already."""
    return pooled.permute(0, 2, 3, 1).float().contiguous().numpy()
