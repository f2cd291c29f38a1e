"""What every detector answers to. Needs torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

# Pixels of the network's input to a place of each map, in every detector.
STRIDES = {"before": 16, "last": 32}

GPU_BATCH = 8


class Detections(NamedTuple):
    """All detections of one image, by falling score.

    boxes: float32 [N, 4], corners x0 y0 x1 y1 in pixels of the image given.
    scores: float32 [N]. labels: int64 [N], index into the detector's `categories`.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


class WholePicture(NamedTuple):
    """A picture as the detector looks at it.

    inputs: float32 [1, 3, H, W], what the backbone takes. scale: factors that take x and y in the
    picture's pixels to those of `inputs`.
    """

    inputs: torch.Tensor
    scale: tuple[float, float]


class Detector(Protocol):
    """A network that finds objects and whose own backbone describes them.

    Of the backbone's maps two are used: the last, at stride STRIDES["last"], and the one that its
    last stage starts from, at stride STRIDES["before"].

    categories: names by label. map_lengths: channels of the map before and of the last.
    vector_length: those of the last. mean_colour: RGB in 0..255 that `normalise` takes to about 0.
    batch_size: images that are best detected together. On a CPU it is 1.
    precision: what it computes in, a key of `precision.DTYPES`.
    """

    categories: list[str]
    map_lengths: dict[str, int]
    vector_length: int
    mean_colour: tuple[int, int, int]
    weights_sha256: str
    weights_file: Path
    device: torch.device
    batch_size: int
    precision: str

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        """Detect every category in upright RGB images, all of one size, at most batch_size."""
        ...

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        """Crops [N, 3, H, W] in 0..1, of any size, as the backbone takes them, on `device`."""
        ...

    def whole_picture(self, image: Image.Image) -> WholePicture:
        """An upright RGB image, resized and normalised as `detect` does it, on `device`."""
        ...

    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        """The map before the last: [N, map_lengths["before"], ceil(H/16), ceil(W/16)].

        Maps have the dtype that the detector computes in, which need not be that of `inputs`.
        """
        ...

    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        """The last map, [N, map_lengths["last"], ceil(h/2), ceil(w/2)], of the one before it."""
        ...

    def details(self) -> dict[str, Any]:
        """Everything a reader needs to name and rebuild this detector; JSON-ready."""
        ...


def torch_device(name: str) -> torch.device:
    """The device that `detector.device` names; auto is a GPU where torch sees one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def count_parameters(model: torch.nn.Module) -> int:
    """All parameters and, as frozen batch norms keep them there, floating-point buffers."""
    tensors = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    return sum(tensor.numel() for tensor in tensors)
