"""Settings of where pictures come from, and where results go."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key, section
from visualsearch.settings.names import CATEGORIES, SOURCES


@dataclass(frozen=True)
class PathvarsSettings(Section):
    """Where outputs go. Snakemake reads this section itself, before the others."""

    results: str = key(
        "results/coco-minitrain",
        "Folder of all outputs of this configuration; runs that differ in dataset or detector "
        "should differ here.",
        min_length=1,
    )
    logs: str = key(
        "<results>/logs",
        "Folder of the jobs' logs.",
        min_length=1,
    )
    benchmarks: str = key(
        "<results>/benchmarks",
        "Folder of the jobs' time and memory.",
        min_length=1,
    )


@dataclass(frozen=True)
class CocoSettings(Section):
    """Where the parts of COCO come from; each may be a mirror or a local file."""

    definition: str | None = key(
        None,
        "Path or URL of instances_minitrain2017.json, which says what minitrain is; null for "
        "the official file on Google Drive.",
        min_length=1,
    )
    definition_images: int | None = key(
        25000,
        "Images that the definition must list. It must then also list two images known to "
        "belong, so that a re-sampled look-alike is refused. null checks neither.",
        minimum=1,
    )
    annotations: str = key(
        "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "URL or path of annotations_trainval2017.zip, or path of an instances JSON file.",
        min_length=1,
    )
    annotations_sha256: str | None = key(
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        "sha256 that the annotations file must have; null only for a local file.",
        pattern="^[0-9a-f]{64}$",
    )
    images: str | None = key(
        None,
        "Base URL of the pictures, to which file names are added, or a local folder that "
        "holds them; null for the official bucket.",
        min_length=1,
    )
    keypoints: str | None = key(
        None,
        "Path of a COCO person_keypoints JSON file, for the measure of poses; null takes the "
        "one in the annotations archive, and none where annotations is a JSON file.",
        min_length=1,
    )


@dataclass(frozen=True)
class FolderSettings(Section):
    """For source folder."""

    path: str | None = key(
        None,
        "Directory of pictures, searched through all its subfolders; nothing is copied or "
        "changed. In a bucket by its address, s3://bucket/pictures; so may all files of your "
        "own be (docs/past-one-machine.md).",
        min_length=1,
    )
    annotations: str | None = key(
        None,
        "COCO instances JSON for these pictures, its file names relative to the directory. "
        "With it, AP is measured.",
        min_length=1,
    )
    keypoints: str | None = key(
        None,
        "COCO person_keypoints JSON of the same annotation ids as annotations. With it, the "
        "report says how alike the poses of neighbours are.",
        min_length=1,
    )


@dataclass(frozen=True)
class DatasetSettings(Section):
    """Which pictures."""

    source: str = key(
        "coco-minitrain",
        "coco-minitrain: 25,000 images of COCO train2017. coco-val2017: COCO's validation "
        "images, for honest AP. folder: any directory of pictures. openpeople: 60 generated "
        "pictures of nobody, from the Python package of that name.",
        choices=SOURCES,
    )
    category: str = key(
        "person",
        "The COCO category to find and search for, one of the 80 names. Files and columns say "
        '"person" whatever it is.',
        choices=CATEGORIES,
    )
    only_with_category: bool = key(
        True,
        "With a COCO source, keep only the images annotated with the category. AP over such "
        "images is kinder than over all, as false finds in other images do not count; set "
        "false for AP that compares with published figures.",
    )
    max_images: int | None = key(
        None,
        "Take the first so many images by id, for a first look; null for all.",
        minimum=1,
    )
    max_skipped_fraction: float = key(
        0.01,
        "The run stops when more than this share of the pictures cannot be used; a single one "
        "stops it only with 0. dataset/skipped.tsv has each with its reason, and where the "
        "run stopped for them logs/build_manifest.log.",
        minimum=0,
        maximum=1,
    )
    connections: int = key(
        16,
        "Pictures downloaded at a time, by each fetching job.",
        minimum=1,
        maximum=64,
    )
    retries: int = key(
        5,
        "How often a failed download is tried again.",
        minimum=0,
        maximum=20,
    )
    backoff_seconds: float = key(
        1.0,
        "Waits between retries grow from about so many seconds, with chance in them, to two "
        "minutes at most; a busy server's Retry-After counts first, with the same bound.",
        minimum=0,
        maximum=60,
    )
    timeout_seconds: float = key(
        60,
        "How long a server may be silent. A picture may take three times as long, and so may "
        "each MiB of a longer file; raise it on a slow line.",
        minimum=1,
        maximum=600,
    )
    coco: CocoSettings = section(CocoSettings)
    folder: FolderSettings = section(FolderSettings)
