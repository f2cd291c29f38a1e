"""The run's own networks as ONNX, for a browser. Needs torch, onnx and onnxscript.

https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from visualsearch.detect import DETECTORS
from visualsearch.detect.base import TorchDetector
from visualsearch.detect.bundled_in_torch import BoxFinder
from visualsearch.detect.converting import CropMaps
from visualsearch.detect.ssd_graph import INPUT_SIZE, MAX_DETECTIONS, NMS_IOU_THRESHOLD
from visualsearch.embed.persons import MAPS
from visualsearch.embed.pooling import GEM_MINIMUM, GEM_POWER
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings
from visualsearch.settings.names import BUNDLED

# What ONNX Runtime Web 1.30 reads, and torch writes without converting.
OPSET = 18
# Tensors with fewer values stay in fp32: halving them saves nothing.
SMALL_TENSOR = 1024
# The page offers persons down to this score, or to search_set.min_score if that is lower. The
# reader chooses among them, so an offer too many costs less than one too few.
OFFERED_SCORE = 0.3

POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "average": lambda maps: maps.mean((2, 3)),
    "max": lambda maps: maps.amax((2, 3)),
    "gem": lambda maps: (
        (maps.clamp(min=float(GEM_MINIMUM)) ** float(GEM_POWER)).mean((2, 3))
        ** (1 / float(GEM_POWER))
    ),
}


class Describing(nn.Module):
    """The reduced vector of a crop: backbone, pooling and reduction, as the stages compute it.

    Takes a crop uint8 [1, H, W, 3] and returns a vector float32 [k] of length 1. It follows
    embed.pooling.pool, data.vectors.vectors_of and reduce.reduction.Reduction.transform.
    """

    mean: Tensor
    components: Tensor
    scale: Tensor

    def __init__(
        self, detector: TorchDetector, settings: EmbeddingSettings, reduction: Reduction
    ) -> None:
        super().__init__()
        self.maps = CropMaps(detector)
        self.settings = settings
        self.reduces = reduction.is_fitted
        scale = reduction.deviations() ** -reduction.whiten_power
        self.register_buffer("mean", torch.from_numpy(reduction.mean))
        if self.reduces:
            self.register_buffer("components", torch.from_numpy(reduction.components))
            self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))

    def forward(self, crop: Tensor) -> Tensor:
        views = torch.cat([crop, crop.flip(2)]) if self.settings.mirrored else crop
        last, before = self.maps(views)
        maps = {"last": last, "before": before}
        parts = [self._pooled(maps[name], name) for name in MAPS[self.settings.maps]]
        vector = F.normalize(torch.cat([F.normalize(part, dim=1) for part in parts], dim=1), dim=1)
        vector = vector - self.mean
        if self.reduces:
            vector = F.linear(vector, self.components) * self.scale
        return F.normalize(vector, dim=1)[0]

    def _pooled(self, maps: Tensor, name: str) -> Tensor:
        """One row: of the crop, or the mean of the rows of the crop and of its mirror image."""
        n, height = self.settings.stripes if name == "before" else 1, maps.shape[2]
        pooling = POOLINGS[self.settings.pooling]
        # As embed.pooling.stripes cuts them.
        edges = [(i * height // n, -(-(i + 1) * height // n)) for i in range(n)]
        rows = torch.cat([pooling(maps[:, :, top:end]) for top, end in edges], dim=1)
        return rows.mean(dim=0, keepdim=True)


def describing_network(
    detector: DetectorSettings, embedding: EmbeddingSettings, reduction: Reduction
) -> bytes:
    """Return the network of `Describing` as ONNX: input `crop`, output `vector`.

    Raises InputError as `detect.load_detector` does.
    """
    on_cpu = replace(detector, device="cpu", precision="fp32", runtime="torch")
    network = Describing(
        DETECTORS[detector.name].load_in_torch(on_cpu, "fp32"), embedding, reduction
    )
    crop = torch.zeros((1, *embedding.size, 3), dtype=torch.uint8)
    return _exported(network, crop, ["crop"], ["vector"])


def finding_network() -> bytes:
    """Return the bundled detector as ONNX.

    Input `pixels`, uint8 [1, 300, 300, 3]; outputs `boxes` [1, 1917, 4] and `scores` [1, 1917],
    before suppression.
    """
    bundled = DetectorSettings(BUNDLED, device="cpu", precision="fp32", runtime="torch")
    detector = DETECTORS[BUNDLED].load_in_torch(bundled, "fp32")
    pixels = torch.zeros((1, INPUT_SIZE, INPUT_SIZE, 3), dtype=torch.uint8)
    return _exported(BoxFinder(detector.model), pixels, ["pixels"], ["boxes", "scores"])


def facts_of(
    embedding: EmbeddingSettings,
    search_set: SearchSetSettings,
    normalise_mean: Sequence[float],
    finds: bool,
) -> dict[str, Any]:
    """Return what the page's scripts must know of the networks, JSON-ready.

    normalise_mean: the RGB colour in 0..1 that the run's detector sees as about 0. finds: whether
    the bundled detector chooses boxes.
    """
    crop = {
        "size": list(embedding.size),
        "fit": embedding.fit,
        "margin": embedding.margin,
        "fill": [round(255 * each) for each in normalise_mean],
    }
    find = {
        "side": INPUT_SIZE,
        "overlap": NMS_IOU_THRESHOLD,
        "boxes": MAX_DETECTIONS,
        "score": min(OFFERED_SCORE, search_set.min_score),
    }
    return {"crop": crop, "find": find if finds else None}


def _exported(network: nn.Module, example: Tensor, inputs: list[str], outputs: list[str]) -> bytes:
    # The exporter that traces, dynamo=False, is faster and deprecated, and its networks gave other
    # vectors: a cosine of 0.998 instead of 1.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
        )
    assert program is not None
    model = _without_traces(program.model_proto)
    return in_half(model).SerializeToString(deterministic=True)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Delete what the exporter noted of its sources, with their paths on this machine."""
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    return model


def in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights in fp16. The network computes in fp32, as before: it first casts them."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL_TENSOR:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(_half(values), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    limit = np.finfo(np.float16).max
    return values.clip(-limit, limit).astype(np.float16)
