"""Settings of the stages that detect persons, compute their vectors and build the index."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key
from visualsearch.settings.names import BACKENDS, DETECTORS


@dataclass(frozen=True)
class DetectorSettings(Section):
    """Which network detects the persons and computes their vectors."""

    name: str = key(
        "fasterrcnn_resnet50_fpn",
        "A builder of torchvision.models.detection; rtdetr_r50vd (RT-DETR), which needs the "
        "optional package transformers (requirements-rtdetr.txt); or ssdlite_mobilenet_v2_person, "
        "a small person detector that is part of this project. docs/detectors.md compares them.",
        choices=DETECTORS,
    )
    weights: str = key(
        "default",
        "default, the name of some published weights of the builder, such as COCO_V1, or a file. "
        "A value is a file if it has a slash or ends in .pth, .pt or .safetensors. Published "
        "weights are downloaded into torch's cache and checked by hash.",
        min_length=1,
        path=True,
    )
    device: str = key(
        "auto",
        "auto: a GPU if there is one, else the CPU. cuda: a GPU. profiles/default lets one job "
        "use the GPU at a time.",
        choices=("auto", "cpu", "cuda"),
    )
    runtime: str = key(
        "auto",
        "Which library computes the network. openvino: OpenVINO, on a CPU. torch: PyTorch, on a "
        "CPU or a GPU. auto: openvino on a CPU, if it is installed, else torch. RoIAlign "
        "(embedding.region) is always computed by torch.",
        choices=("auto", "openvino", "torch"),
    )
    precision: str = key(
        "auto",
        "Number format of the network. bf16 is about twice as fast on hardware that supports it "
        "(AVX512_BF16 or AMX; NVIDIA from Ampere on), and shifts boxes by fractions of a pixel; "
        "docs/performance.md says what it changes. fp16 is for GPUs that have no bf16, such as a "
        "T4; a run stops if the network's numbers are too large for it. auto: bf16 on such "
        "hardware, fp16 on NVIDIA's GPUs from Volta to Turing, else fp32. The first job of a run "
        "decides for all, and writes it to detections/detector.json. int8: persons are detected in "
        "int8, on a CPU with OpenVINO, and vectors are as with auto. The first job calibrates the "
        "network on a sample of the pictures, so other pictures may detect all anew. It needs the "
        "optional package nncf (requirements-int8.txt).",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    )
    score_threshold: float | None = key(
        None,
        "Detections below this score are dropped at once. null: 0.05 with torchvision's detectors "
        "(the default of Faster R-CNN and RetinaNet; FCOS has 0.2), 0.01 with the bundled one, "
        "as in its reference results, and 0 with RT-DETR, whose published AP counts all of its 300 "
        "detections. search_set chooses the detections that can be searched.",
        minimum=0,
        maximum=1,
    )
    min_size: int | None = key(
        None,
        "Shorter side, in pixels, to which torchvision's detectors resize an image; null for the "
        "detector's default (800 for most). Smaller is faster and finds fewer small persons. "
        "RT-DETR takes null only: its input is always 640 x 640.",
        minimum=64,
        maximum=10000,
    )
    max_size: int | None = key(
        None,
        "Limit for the longer side, in pixels; null for the detector's default (1333 for most).",
        minimum=64,
        maximum=10000,
    )


@dataclass(frozen=True)
class SearchSetSettings(Section):
    """Which detections can be searched and found."""

    min_score: float = key(0.7, "Lowest score.", minimum=0, maximum=1)
    min_height: float = key(48, "Lowest height of the box, in pixels of the picture.", minimum=1)


@dataclass(frozen=True)
class EmbeddingSettings(Section):
    """How a box becomes a vector."""

    region: str = key(
        "crop",
        "crop: the box is cut out and goes through the backbone by itself. roi_align_last: "
        "RoIAlign on the last feature map of the whole picture. roi_align_before: RoIAlign on the "
        "map before it, then the last stage of the backbone.",
        choices=("crop", "roi_align_last", "roi_align_before"),
    )
    fit: str = key(
        "stretch",
        "How a crop fills its size; not used with RoIAlign. stretch: to the size, without keeping "
        "its aspect ratio. pad: keeping its aspect ratio; the rest is grey (black with RT-DETR). "
        "surroundings: keeping "
        "its aspect ratio; the rest is filled from the surrounding picture.",
        choices=("stretch", "pad", "surroundings"),
    )
    margin: float = key(
        0,
        "Share of its width and height by which the box is grown on each side.",
        minimum=0,
        maximum=1,
    )
    size: tuple[int, int] = key(
        (256, 128),
        "Height and width, in pixels, of the crop that goes through the backbone. RoIAlign samples "
        "as many points as the feature map of such a crop has.",
        minimum=32,
        maximum=1024,
    )
    maps: str = key(
        "both",
        "Which feature maps of the backbone are pooled. last: the last one, as the column vector. "
        "both: the one before too, as the column before; the search joins the two vectors, each "
        "of length 1.",
        choices=("last", "both"),
    )
    stripes: int = key(
        6,
        "Horizontal stripes in which the map before the last is pooled, from top to bottom. The "
        "last map is pooled as a whole.",
        minimum=1,
        maximum=16,
    )
    pooling: str = key(
        "average",
        "How a map, or a stripe of it, becomes one vector: by its mean, its maximum, or its "
        "generalised mean (GeM) of power 3.",
        choices=("average", "max", "gem"),
    )
    mirrored: bool = key(
        True, "Average the vectors of the box and of its mirror image; it takes twice the time."
    )


@dataclass(frozen=True)
class ReductionSettings(Section):
    """How vectors are reduced before the index."""

    n_components: int | float = key(
        256,
        "Length of the reduced vectors or, below 1, the share of the variance that they must "
        "explain, such as 0.95. It is the most: no more are kept than half the number of persons "
        "(30 in sets of less than 60), nor than the vectors' length.",
        any_of=(
            {"type": "integer", "minimum": 1, "maximum": 2048},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        ),
    )
    whiten_power: float = key(
        0.25,
        "Each component is divided by its standard deviation to this power: 0 is plain PCA, 1 is "
        "full whitening.",
        minimum=0,
        maximum=1,
    )
    fit_persons: int = key(
        65536,
        "Most persons to fit the PCA on, evenly spread over the search set; all are transformed. "
        "The time of fitting is proportional, and more than the default change little "
        "(docs/performance.md).",
        minimum=2,
    )
    batch_size: int = key(
        256,
        "Number of persons in a batch of IncrementalPCA, at least n_components. Memory grows with "
        "it; about n_components is fastest.",
        minimum=2,
    )


@dataclass(frozen=True)
class IndexSettings(Section):
    """How nearest neighbours are found."""

    backend: str = key(
        "annoy",
        "annoy: a forest, which needs nothing more. exact: compares with every person; as fast as "
        "annoy up to some tens of thousands. faiss: the fastest from some thousands on, and built "
        "in a fraction of annoy's time; needs the optional package faiss-cpu "
        "(requirements-faiss.txt).",
        choices=BACKENDS,
    )
    target_recall: float = key(
        0.99,
        "Share of the exact ten nearest neighbours that the index must find. The run measures how "
        "far the index must search for that, and searches no further.",
        maximum=1,
        above=0,
    )
    n_trees: int | None = key(
        None,
        "Number of trees in the Annoy forest. More trees find more neighbours and make a larger "
        "file. null chooses by target_recall.",
        minimum=1,
        maximum=10000,
    )
    search_k: int | None = key(
        None,
        "Number of tree nodes that Annoy inspects for a query. null chooses by target_recall; "
        "Annoy's own default is far too small for ten neighbours.",
        minimum=1,
        maximum=2147483647,
    )
    seed: int = key(0, "Seed of the index's random choices.", minimum=0, maximum=2147483647)
