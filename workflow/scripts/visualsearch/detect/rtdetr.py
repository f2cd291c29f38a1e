"""RT-DETR with a ResNet-50 (Zhao et al. 2024, arXiv:2304.08069), by Hugging Face transformers.

Needs torch, torchvision and transformers. The network gives 300 boxes directly: it has no anchors
and suppresses nothing. It scales every picture to 640 x 640, whatever its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.rt_detr.modeling_rt_detr import RTDetrFrozenBatchNorm2d

from visualsearch.core.files import sha256_file
from visualsearch.detect import rtdetr_boxes
from visualsearch.detect.base import GPU_BATCH, Detections, Maps, TorchDetector, WholePicture
from visualsearch.detect.converting import convert
from visualsearch.detect.folding import fold_norms
from visualsearch.detect.precision import DTYPES, cast, compute_in
from visualsearch.detect.rtdetr_boxes import SIDE, select_boxes
from visualsearch.detect.torch_base import count_parameters, crop_maps, torch_device
from visualsearch.detect.weights import download_weights, load_tensors
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import CATEGORIES

if TYPE_CHECKING:
    from visualsearch.detect import RTDetrEntry

# What shapes the published network: another transformers may have other defaults.
# fmt: off
BACKBONE: dict[str, Any] = {
    "depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048], "embedding_size": 64,
    "layer_type": "bottleneck", "hidden_act": "relu", "out_indices": [2, 3, 4],
    "downsample_in_bottleneck": False, "downsample_in_first_stage": False,
}
NETWORK: dict[str, Any] = {
    "d_model": 256, "num_labels": len(CATEGORIES), "num_queries": 300, "num_feature_levels": 3,
    "encoder_in_channels": [512, 1024, 2048], "feat_strides": [8, 16, 32],
    "encoder_hidden_dim": 256, "encoder_ffn_dim": 1024, "encoder_attention_heads": 8,
    "encoder_layers": 1, "encode_proj_layers": [2], "encoder_activation_function": "gelu",
    "activation_function": "silu", "hidden_expansion": 1.0, "normalize_before": False,
    "decoder_in_channels": [256, 256, 256], "decoder_ffn_dim": 1024, "decoder_layers": 6,
    "decoder_attention_heads": 8, "decoder_n_points": 4, "decoder_activation_function": "relu",
    "positional_encoding_temperature": 10000, "eval_size": None, "anchor_image_size": None,
    "learn_initial_query": False, "with_box_refine": True, "num_denoising": 100,
    "freeze_backbone_batch_norms": True, "batch_norm_eps": 1e-5, "layer_norm_eps": 1e-5,
}
# fmt: on


class RTDetrDetector:
    """RT-DETR; `model.backbone`, a ResNet-50 of variant D, is its featurizer."""

    # Zero is what the network's own convolutions pad with: nothing is subtracted from pixels.
    mean_colour = (0, 0, 0)
    mixes_sizes = True

    def __init__(self, settings: DetectorSettings, entry: RTDetrEntry, precision: str) -> None:
        self.settings = settings
        self.entry = entry
        self.map_lengths = entry.featurizer.lengths
        self.vector_length = self.map_lengths["last"]
        self.device = torch_device(settings.device)
        self.categories = rtdetr_boxes.categories()
        self.score_threshold = rtdetr_boxes.score_threshold(settings)
        self.weights_file = (
            download_weights(entry.weights_url, f"{settings.name}.safetensors", entry.sha256)
            if settings.weights == "default"
            else Path(settings.weights)
        )
        self.model: Any = build_model()
        load_tensors(published_names(self.model), self.weights_file, settings.name)
        self.weights_sha256 = sha256_file(self.weights_file)
        self.parameters = count_parameters(self.model)
        self.precision = self.vector_precision = precision
        self.dtype = DTYPES[self.precision]
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1
        self.processor = transformers.RTDetrImageProcessor(size={"height": SIDE, "width": SIDE})
        make_fast(self.model, self.dtype, self.device)
        backbone = self.model.model.backbone.model
        *first, self._last_stage = backbone.encoder.stages
        self._first_stages = torch.nn.Sequential(backbone.embedder, *first)

    @torch.inference_mode()
    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        # The batch is filled up: kernels are chosen by its size, and may round differently.
        filled = [*images, *[images[-1]] * (self.batch_size - len(images))]
        outputs = self.model(torch.cat([self.whole_picture(image).inputs for image in filled]))
        answers = zip(outputs.logits.cpu().numpy(), outputs.pred_boxes.cpu().numpy(), strict=True)
        return [
            select_boxes(logits, boxes, image.size, self.score_threshold)
            for image, (logits, boxes) in zip(images, answers, strict=False)
        ]

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return crop_maps(self, crops)

    def in_torch(self) -> TorchDetector:
        return self

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        return crops.to(self.device)

    def whole_picture(self, image: Image.Image) -> WholePicture:
        pixels = self.processor(images=image, return_tensors="pt", device=self.device)
        return WholePicture(pixels["pixel_values"], (SIDE / image.width, SIDE / image.height))

    @torch.inference_mode()
    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._first_stages(cast(inputs, self.dtype))

    @torch.inference_mode()
    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        return self._last_stage(cast(before, self.dtype))

    def details(self) -> dict[str, Any]:
        published = self.weights_sha256 == self.entry.sha256
        return {
            "name": self.settings.name,
            "library": "transformers",
            "builder": "transformers.RTDetrForObjectDetection, ResNet-50-D backbone",
            "weights": "PekingU/rtdetr_r50vd" if published else self.weights_file.name,
            "weights_url": self.entry.weights_url if published else None,
            "weights_sha256": self.weights_sha256,
            "weights_bytes": self.weights_file.stat().st_size,
            "weights_are_published": published,
            "trained_on": "COCO train2017" if published else "unknown: weights given as a file",
            "published_box_ap": 53.1 if published else None,
            "published_on": "COCO val2017, mean over 80 categories" if published else None,
            "recipe": "https://github.com/lyuwenyu/RT-DETR",
            "gmacs_at_640": 68,
            "parameters": self.parameters,
            "categories": len(CATEGORIES),
            "image_min_size": [SIDE],
            "image_max_size": SIDE,
            "normalise_mean": [*rtdetr_boxes.MEAN],
            "normalise_std": [1.0, 1.0, 1.0],
            "score_threshold": self.score_threshold,
            "nms_iou_threshold": None,
            "detections_per_image": NETWORK["num_queries"],
            "anchor_sizes": [],
            "anchor_aspect_ratios": [],
            "featurizer": str(self.entry.featurizer),
            "vector_length": self.vector_length,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }


def build_model() -> Any:
    """Build the network with random weights, in eval mode. Asks the network for nothing."""
    backbone = transformers.RTDetrResNetConfig(**BACKBONE)
    config = transformers.RTDetrConfig(backbone_config=backbone, **NETWORK)
    return transformers.RTDetrForObjectDetection(config).eval()


def published_names(model: Any) -> dict[str, torch.Tensor]:
    """Return a network's tensors under the names of published files; transformers has new ones."""
    return revert_weight_conversion(model, model.state_dict())


def make_fast(model: Any, dtype: torch.dtype, device: torch.device) -> None:
    """Make a network compute its maps in `dtype` on `device`, with fewer operations; in place.

    The attention between positions, and the decoder, which places and scores boxes, stay in fp32.
    """
    frozen: list[Any] = [m for m in model.modules() if isinstance(m, RTDetrFrozenBatchNorm2d)]
    for norm in frozen:
        norm.eps = 1e-5  # a constant within its `forward`
    fold_norms(model, (torch.nn.BatchNorm2d, RTDetrFrozenBatchNorm2d)).to(device)
    network, encoder = model.model, model.model.encoder
    pyramid = (encoder.lateral_convs, encoder.fpn_blocks)
    aggregation = (encoder.downsample_convs, encoder.pan_blocks)
    for part in (network.backbone, network.encoder_input_proj, *pyramid, *aggregation):
        for module in part if isinstance(part, torch.nn.ModuleList) else [part]:
            compute_in(module, dtype)
    for module in encoder.aifi:
        compute_in(module, torch.float32, dtype)
    for module in network.decoder_input_proj:
        compute_in(module, dtype, torch.float32)


class _Maps(torch.nn.Module):
    """The maps that the decoder reads, a row for each position, of pixels uint8 [1, H, W, 3]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        inputs = pixels.permute(0, 3, 1, 2).float() / 255
        nothing_masked = torch.ones(len(inputs), *inputs.shape[2:])
        found = self.model.backbone(inputs, nothing_masked)
        projections = self.model.encoder_input_proj
        maps = [project(each) for project, (each, _) in zip(projections, found, strict=True)]
        maps = self.model.encoder(maps).last_hidden_state
        return torch.cat([each.flatten(2).transpose(1, 2) for each in maps], dim=1)


class _Decoder(torch.nn.Module):
    """Logits and boxes, of the rows that _Maps gives."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sides = [SIDE // stride for stride in NETWORK["feat_strides"]]
        parts = rows.split([side**2 for side in sides], dim=1)
        maps = [
            part.transpose(1, 2).unflatten(2, (side, side))
            for part, side in zip(parts, sides, strict=True)
        ]
        outputs = self.model(None, inputs_embeds=rows, encoder_outputs=(maps,))
        return outputs.logits, outputs.pred_boxes


def convert_maps(detector: Any) -> Any:
    """Return an openvino.Model of _Maps, of a detector in fp32, for one picture."""
    shape = (1, SIDE, SIDE, 3)
    network = _Maps(detector.model.model)
    return convert(network, torch.zeros(shape, dtype=torch.uint8), shape)


def convert_decoder(detector: Any) -> Any:
    """Return an openvino.Model of _Decoder, of a detector in fp32, for one picture."""
    positions = sum((SIDE // stride) ** 2 for stride in NETWORK["feat_strides"])
    shape = (1, positions, NETWORK["encoder_hidden_dim"])
    return convert(_Decoder(detector.model), torch.zeros(shape), shape)
