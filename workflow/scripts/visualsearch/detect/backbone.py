"""The backbone of any detector in OpenVINO. Needs openvino; torch only to convert it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from visualsearch.detect.base import Maps, TorchDetector
from visualsearch.detect.networks import Network, Networks


class ConvertedBackbone:
    """Computes the maps of crops by a network for each shape of a batch.

    networks: where these are kept. load: gives the detector in torch, in a given precision.
    """

    batch_size = 1

    def __init__(
        self,
        networks: Networks,
        map_lengths: dict[str, int],
        mean_colour: tuple[int, int, int],
        vector_precision: str,
        load: Callable[[str], TorchDetector],
    ) -> None:
        self.map_lengths = map_lengths
        self.mean_colour = mean_colour
        self.vector_precision = vector_precision
        self.networks = networks
        self.load = load
        self._loaded: dict[tuple[int, ...], Network] = {}

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        shape = crops.shape
        if shape not in self._loaded:
            name = f"crops-{'x'.join(map(str, shape[:3]))}"
            self._loaded[shape] = self.networks.load(
                name, self.vector_precision, lambda: self._converted(shape)
            )
        last, before = self._loaded[shape](np.ascontiguousarray(crops))
        return {"last": last, "before": before}

    def _converted(self, shape: Sequence[int]) -> object:
        # torch takes seconds to import.
        from visualsearch.detect.converting import convert_crop_maps

        return convert_crop_maps(self.load("fp32"), shape)

    def in_torch(self) -> TorchDetector:
        return self.load(self.vector_precision)
