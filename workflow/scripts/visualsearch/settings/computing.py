"""Settings of the stages that find persons, describe them and make them searchable."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key
from visualsearch.settings.names import BACKENDS


@dataclass(frozen=True)
class DetectorSettings(Section):
    """Which network finds the persons, and describes them."""

    name: str = key(
        "fasterrcnn_resnet50_fpn",
        "A builder of torchvision.models.detection, or ssdlite_mobilenet_v2_person, the small "
        "person detector that this project ships.",
        choices=(
            "fasterrcnn_resnet50_fpn",
            "fasterrcnn_resnet50_fpn_v2",
            "fasterrcnn_mobilenet_v3_large_fpn",
            "fasterrcnn_mobilenet_v3_large_320_fpn",
            "retinanet_resnet50_fpn",
            "retinanet_resnet50_fpn_v2",
            "fcos_resnet50_fpn",
            "ssdlite_mobilenet_v2_person",
        ),
    )
    weights: str = key(
        "default",
        "default, the name of one of the builder's weights (COCO_V1), or a file: a value with "
        "a slash, or that ends in .pth, .pt or .safetensors. Published weights are downloaded "
        "into torch's cache and checked by hash.",
        min_length=1,
    )
    device: str = key(
        "auto",
        "auto: a GPU where torch sees one, else the CPU. cuda: a GPU. No more jobs share the "
        "GPU at a time than profiles/default allows (one).",
        choices=("auto", "cpu", "cuda"),
    )
    precision: str = key(
        "auto",
        "In which numbers the network computes. bf16 is about twice as fast where the "
        "hardware has it (AVX512_BF16 or AMX; NVIDIA from Ampere on) and shifts boxes by "
        "fractions of a pixel; docs/performance.md has what it changes. auto: bf16 there, "
        "else fp32. All jobs of a run take what the first one finds, which "
        "detections/detector.json says.",
        choices=("auto", "fp32", "bf16"),
    )
    score_threshold: float | None = key(
        None,
        "Detections below this score are dropped at once; null for 0.05 with torchvision's "
        "detectors (Faster R-CNN's and RetinaNet's own; FCOS's is 0.2) and 0.01 with the "
        "bundled one, down to which its reference results go. What is searched is set by "
        "search_set.",
        minimum=0,
        maximum=1,
    )
    min_size: int | None = key(
        None,
        "Shorter side in pixels that torchvision's detectors resize an image to; null for the "
        "detector's own (800 for most). Smaller is faster and finds fewer small persons.",
        minimum=64,
        maximum=10000,
    )
    max_size: int | None = key(
        None,
        "Limit for the longer side, in pixels; null for the detector's own (1333 for most).",
        minimum=64,
        maximum=10000,
    )


@dataclass(frozen=True)
class SearchSetSettings(Section):
    """Which detections can be searched and found."""

    min_score: float = key(
        0.7,
        "Least score.",
        minimum=0,
        maximum=1,
    )
    min_height: float = key(
        48,
        "Least height of the box in pixels of the picture.",
        minimum=1,
    )


@dataclass(frozen=True)
class EmbeddingSettings(Section):
    """How a box becomes a vector."""

    region: str = key(
        "crop",
        "crop: the box is cut out and goes through the backbone by itself. roi_align_last: "
        "RoIAlign on the last map of the whole picture. roi_align_before: RoIAlign on the map "
        "before it, then the backbone's last stage.",
        choices=("crop", "roi_align_last", "roi_align_before"),
    )
    fit: str = key(
        "surroundings",
        "How a crop fills its size; RoIAlign does not ask. stretch: whatever its aspect. pad: "
        "its aspect kept, the rest grey. surroundings: its aspect kept, the rest filled from "
        "the picture around it.",
        choices=("stretch", "pad", "surroundings"),
    )
    margin: float = key(
        0,
        "The box is grown by this share of its width and height on each side.",
        minimum=0,
        maximum=1,
    )
    size: tuple[int, int] = key(
        (192, 192),
        "Height and width in pixels of what goes through the backbone; with RoIAlign, of the "
        "crop whose grid of places is taken.",
        minimum=32,
        maximum=1024,
    )
    maps: str = key(
        "last",
        "Which map of the backbone is pooled: the last, the one before, or both, joined after "
        "each is brought to length 1.",
        choices=("last", "before", "both"),
    )
    pooling: str = key(
        "gem",
        "How a map becomes one vector: the mean, the maximum, or the generalised mean (GeM) "
        "of power 3.",
        choices=("average", "max", "gem"),
    )
    mirrored: bool = key(
        True,
        "Whether the vector of the mirrored box is averaged in, at twice the cost.",
    )


@dataclass(frozen=True)
class ReductionSettings(Section):
    """How vectors are shortened before the index."""

    n_components: int | float = key(
        256,
        "Length of the reduced vectors; below 1, the share of the variance that they must "
        "explain, such as 0.95. No more than the persons and the vectors allow.",
        any_of=(
            {"type": "integer", "minimum": 1, "maximum": 2048},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        ),
    )
    whiten_power: float = key(
        0.5,
        "Each component is divided by its standard deviation to this power: 0 is plain PCA, 1 "
        "whitens fully.",
        minimum=0,
        maximum=1,
    )
    fit_persons: int = key(
        65536,
        "The PCA is fitted on at most so many persons, evenly spread over the search set; all "
        "are transformed. Fitting takes time in proportion, and more than the default change "
        "little (docs/performance.md).",
        minimum=2,
    )
    batch_size: int = key(
        256,
        "Persons that IncrementalPCA takes at a time, or n_components where that is more; "
        "memory grows with it, and about n_components takes least time.",
        minimum=2,
    )


@dataclass(frozen=True)
class IndexSettings(Section):
    """How neighbours are looked up."""

    backend: str = key(
        "annoy",
        "annoy: approximate, for large sets. exact: compares with every person; as fast up to "
        "some tens of thousands. hnsw: a graph, for very large sets; needs the optional "
        "package usearch (requirements-hnsw.txt).",
        choices=BACKENDS,
    )
    target_recall: float = key(
        0.99,
        "Share of the exact ten nearest neighbours that the index must find. How far it "
        "searches is chosen to reach this with the least work, by measuring.",
        maximum=1,
        above=0,
    )
    n_trees: int | None = key(
        None,
        "Trees of the Annoy forest; more find more and make a larger file. null chooses by "
        "target_recall.",
        minimum=1,
        maximum=10000,
    )
    search_k: int | None = key(
        None,
        "How far Annoy searches, in nodes of its trees; Annoy's own default is far too small "
        "for ten neighbours. null chooses by target_recall.",
        minimum=1,
        maximum=2147483647,
    )
    seed: int = key(
        0,
        "Seed of the index's random choices.",
        minimum=0,
        maximum=2147483647,
    )
