"""The Protocol that every detector implements. Needs torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

# Input pixels per position of each map, for every detector.
STRIDES = {"before": 16, "last": 32}

GPU_BATCH = 8


class Detections(NamedTuple):
    """All detections of one image, by falling score.

    boxes: float32 [N, 4], corners x0 y0 x1 y1 in pixels of the image. scores: float32 [N].
    labels: int64 [N], index into the detector's `categories`.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


class WholePicture(NamedTuple):
    """A whole picture, prepared as input of the backbone.

    inputs: float32 [1, 3, H, W]. scale: factors from the picture's x and y to those of `inputs`.
    """

    inputs: torch.Tensor
    scale: tuple[float, float]


class Detector(Protocol):
    """A network that finds objects; its backbone computes their vectors.

    The vectors come from two maps of the backbone: the last, of stride STRIDES["last"], and the
    input of its last stage, of stride STRIDES["before"].

    categories: names by label. map_lengths: channels of both maps. vector_length: channels of the
    last. mean_colour: the RGB colour in 0..255 that `normalise` maps to about 0. weights_file: the
    file that was loaded, with its hash weights_sha256. batch_size: how many images to detect
    together; 1 on a CPU. mixes_sizes: whether these may differ in size, as the network scales each
    to the same. precision: a key of `precision.DTYPES`.
    """

    categories: list[str]
    map_lengths: dict[str, int]
    vector_length: int
    mean_colour: tuple[int, int, int]
    weights_sha256: str
    weights_file: Path
    device: torch.device
    batch_size: int
    mixes_sizes: bool
    precision: str

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        """Detect every category in at most batch_size upright RGB images.

        They are of one size, unless mixes_sizes. What is found in one does not depend on others.

        Raises failures.TooThin for a size that the network cannot take.
        """
        ...

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        """Crops float32 [N, 3, H, W] in 0..1, of any size, as input of the backbone on `device`."""
        ...

    def whole_picture(self, image: Image.Image) -> WholePicture:
        """An upright RGB image, resized and normalised as for `detect`, on `device`."""
        ...

    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        """The map before the last: [N, map_lengths["before"], ceil(H/16), ceil(W/16)].

        Its dtype is the one that the detector computes in, which may differ from that of `inputs`.
        """
        ...

    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        """The last map, [N, map_lengths["last"], ceil(h/2), ceil(w/2)], from the one before it."""
        ...

    def details(self) -> dict[str, Any]:
        """All that names and rebuilds this detector, JSON-ready: the content of detector.json."""
        ...


def torch_device(name: str) -> torch.device:
    """The device that `detector.device` names; auto is a GPU if torch sees one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def count_parameters(model: torch.nn.Module) -> int:
    """Number of parameters and floating-point buffers, in which frozen norms keep theirs."""
    tensors = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    return sum(tensor.numel() for tensor in tensors)
