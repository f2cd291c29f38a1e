"""Settings of the stages that detect persons, compute their vectors and build the index."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key
from visualsearch.settings.names import BACKENDS, DETECTORS


@dataclass(frozen=True)
class DetectorSettings(Section):
    """Which network detects the persons and computes their vectors."""

    name: str = key(
        "fasterrcnn_resnet50_fpn",
        "The detector. ssdlite_mobilenet_v2_person is small, finds persons only and comes with "
        "this project. rtdetr_r50vd is RT-DETR (first run pip install -r "
        "requirements-rtdetr.txt). The others are models of torchvision. docs/detectors.md "
        "compares them.",
        choices=DETECTORS,
    )
    weights: str = key(
        "default",
        "default; the name of published weights, such as COCO_V1; or a file, recognised by a "
        "slash or by the ending .pth, .pt or .safetensors. Published weights are downloaded to "
        "the cache of torch and checked by hash.",
        min_length=1,
        path=True,
    )
    device: str = key(
        "auto",
        "auto: a GPU if there is one, else the CPU. cuda: a GPU. With profiles/default one job "
        "at a time uses the GPU.",
        choices=("auto", "cpu", "cuda"),
    )
    runtime: str = key(
        "auto",
        "Library that runs the network. openvino: OpenVINO, on a CPU. torch: PyTorch, on a CPU "
        "or GPU. auto: openvino on a CPU if it is installed, else torch. RoIAlign "
        "(embedding.region) always runs in torch.",
        choices=("auto", "openvino", "torch"),
    )
    precision: str = key(
        "auto",
        "Number format of the network. bf16: about twice as fast where the hardware supports it "
        "(CPUs with AVX512_BF16 or AMX, NVIDIA GPUs from Ampere on); shifts boxes by fractions "
        "of a pixel (docs/performance.md). fp16: for GPUs without bf16, such as a T4; the run "
        "stops if a number is too large for it. auto: bf16 on such hardware, fp16 on NVIDIA "
        "GPUs from Volta to Turing, else fp32. The first job decides for the whole run and "
        "notes it in detections/detector.json. int8: detects in int8, on a CPU with OpenVINO, "
        "and computes vectors as auto does. It is calibrated on a sample of the pictures, so a "
        "change of pictures may rerun all detection. First run pip install -r "
        "requirements-int8.txt.",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
    )
    score_threshold: float | None = key(
        None,
        "Drop detections with a lower score. null: 0.05 with the detectors of torchvision "
        "(their default, except for FCOS, which has 0.2), 0.01 with the bundled detector, 0 "
        "with RT-DETR, whose published AP counts all of its 300 detections. Which detections "
        "can be searched is set in search_set.",
        minimum=0,
        maximum=1,
    )
    min_size: int | None = key(
        None,
        "Shorter side, in pixels, to which the detectors of torchvision resize a picture. null: "
        "the default of the detector, 800 for most. Lower is faster and misses more small "
        "persons. RT-DETR allows null only, because its input is always 640 x 640.",
        minimum=64,
        maximum=10000,
    )
    max_size: int | None = key(
        None,
        "Limit for the longer side, in pixels. null: the default of the detector, 1333 for most.",
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
        "crop: cut the box out and send the crop through the backbone. roi_align_last: RoIAlign "
        "on the last feature map of the whole picture. roi_align_before: RoIAlign on the map "
        "before it, then the last stage of the backbone.",
        choices=("crop", "roi_align_last", "roi_align_before"),
    )
    fit: str = key(
        "stretch",
        "How a crop is brought to its size; not used with RoIAlign. stretch: without keeping "
        "its aspect ratio. pad: keeping its aspect ratio; the rest is grey (black with "
        "RT-DETR). surroundings: keeping its aspect ratio; the rest is filled from the "
        "surrounding picture.",
        choices=("stretch", "pad", "surroundings"),
    )
    margin: float = key(
        0,
        "Margin added on each side of the box, as a share of its width and height.",
        minimum=0,
        maximum=1,
    )
    size: tuple[int, int] = key(
        (256, 128),
        "Height and width of the crop, in pixels. RoIAlign samples as many points as the "
        "feature map of such a crop has.",
        minimum=32,
        maximum=1024,
    )
    maps: str = key(
        "both",
        "Which feature maps of the backbone are pooled. last: the last one, into the column "
        "vector. both: also the one before it, into the column before. The search joins the two "
        "vectors, each scaled to length 1.",
        choices=("last", "both"),
    )
    stripes: int = key(
        6,
        "Number of horizontal stripes in which the map before the last is pooled. The last map "
        "is pooled as a whole.",
        minimum=1,
        maximum=16,
    )
    pooling: str = key(
        "average",
        "How a map or stripe becomes one vector: its mean, its maximum, or its generalised mean "
        "(GeM) with power 3.",
        choices=("average", "max", "gem"),
    )
    mirrored: bool = key(
        True, "Average the vectors of the box and of its mirror image. It takes twice the time."
    )


@dataclass(frozen=True)
class ReductionSettings(Section):
    """How vectors are reduced before the index."""

    n_components: int | float = key(
        256,
        "Length of the reduced vectors; or, below 1, the share of the variance to keep, such as "
        "0.95. The actual length is at most half the number of persons (30 in sets of less than "
        "60), and at most the length of the full vectors.",
        any_of=(
            {"type": "integer", "minimum": 1, "maximum": 2048},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        ),
    )
    whiten_power: float = key(
        0.25,
        "Each component is divided by its standard deviation to this power. 0: plain PCA. 1: "
        "full whitening.",
        minimum=0,
        maximum=1,
    )
    fit_persons: int = key(
        65536,
        "Fit the PCA on at most this many persons, evenly spread over the search set. All "
        "persons are transformed. Time grows in proportion; more than the default changes little "
        "(docs/performance.md).",
        minimum=2,
    )
    batch_size: int = key(
        256,
        "Persons in a batch of IncrementalPCA; at least n_components. Memory grows with it. "
        "About n_components is fastest.",
        minimum=2,
    )


@dataclass(frozen=True)
class IndexSettings(Section):
    """How nearest neighbours are found."""

    backend: str = key(
        "annoy",
        "annoy: a forest of trees; needs no optional package. exact: compares with every "
        "person; as fast as annoy up to some tens of thousands. faiss: the fastest from some "
        "thousands on, and much faster to build than annoy (first run pip install -r "
        "requirements-faiss.txt).",
        choices=BACKENDS,
    )
    target_recall: float = key(
        0.99,
        "Share of the exact ten nearest neighbours that the index must find. Each run measures "
        "how far it must search for that.",
        maximum=1,
        above=0,
    )
    n_trees: int | None = key(
        None,
        "Number of Annoy trees. More trees find more neighbours and make a larger file. null: "
        "chosen to reach target_recall.",
        minimum=1,
        maximum=10000,
    )
    search_k: int | None = key(
        None,
        "Number of tree nodes that Annoy inspects for a query. null: chosen to reach "
        "target_recall. The default of Annoy is far too small for ten neighbours.",
        minimum=1,
        maximum=2147483647,
    )
    seed: int = key(0, "Seed of the random choices of the index.", minimum=0, maximum=2147483647)
