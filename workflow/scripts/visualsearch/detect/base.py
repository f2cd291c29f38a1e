"""The Protocols that detectors and their backbones implement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from PIL import Image

# Input pixels per position of each map, for every detector.
STRIDES = {"before": 16, "last": 32}

GPU_BATCH = 8

Maps = dict[str, NDArray[np.float32]]


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


class Backbone(Protocol):
    """The part of a detector that computes the vectors of crops.

    They come from two maps: the last, of stride STRIDES["last"], and the input of its last stage,
    of stride STRIDES["before"].

    map_lengths: channels of both maps. mean_colour: the RGB colour in 0..255 that the network sees
    as about 0. batch_size: how many images are computed together; 1 on a CPU. vector_precision: the
    number format of the maps, a key of embed.embedding.REGIONS_PER_BATCH.
    """

    map_lengths: dict[str, int]
    mean_colour: tuple[int, int, int]
    batch_size: int
    vector_precision: str

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        """Both maps of RGB crops [N, H, W, 3], by the names of STRIDES.

        Each is [N, C, ceil(H / stride), ceil(W / stride)]. Valid until the next call.
        """
        ...

    def in_torch(self) -> TorchDetector:
        """The same network, in torch."""
        ...


class Detector(Backbone, Protocol):
    """A network that finds objects; its backbone computes their vectors.

    categories: names by label. mixes_sizes: whether the images of a batch may differ in size, as
    the network scales each to the same. weights_sha256: of the file of its weights.
    """

    categories: list[str]
    mixes_sizes: bool
    weights_sha256: str

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        """Detect every category in at most batch_size upright RGB images.

        They are of one size, unless mixes_sizes. What is found in one does not depend on others.

        Raises failures.TooThin for a size that the network cannot take.
        """
        ...


class TorchDetector(Detector, Protocol):
    """A detector in torch: the one that knows its details, and that others are converted from.

    vector_length: channels of the last map. weights_file: the file that was loaded. precision: a
    key of `precision.DTYPES`. model: the torch.nn.Module.
    """

    model: Any
    vector_length: int
    weights_file: Path
    device: torch.device
    precision: str

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
        """All that names and rebuilds this detector, JSON-ready, for detector.json."""
        ...
