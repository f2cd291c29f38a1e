"""Settings of where pictures come from and where results go."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key, section
from visualsearch.settings.names import CATEGORIES, SOURCES


@dataclass(frozen=True)
class PathvarsSettings(Section):
    """Where outputs go. Snakemake reads this section itself, before the others."""

    results: str = key(
        "results/coco-minitrain",
        "Folder of all outputs. Give runs with another dataset or detector another folder.",
        min_length=1,
        path=True,
    )
    logs: str = key("<results>/logs", "Folder of the jobs' logs.", min_length=1, path=True)
    benchmarks: str = key(
        "<results>/benchmarks",
        "Folder of the tables with each job's time and memory.",
        min_length=1,
        path=True,
    )


@dataclass(frozen=True)
class CocoSettings(Section):
    """For the COCO sources: where their files come from. Each may be a mirror or a local file."""

    definition: str | None = key(
        None,
        "Path or URL of instances_minitrain2017.json, which says what minitrain is; null for "
        "the official file on Google Drive.",
        min_length=1,
        path=True,
    )
    definition_images: int | None = key(
        25000,
        "Number of images that the definition must list. It must then also list two images of the "
        "official set that a known re-sampled one lacks. null checks neither.",
        minimum=1,
    )
    annotations: str = key(
        "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "URL or path of annotations_trainval2017.zip, or the path of an instances JSON file.",
        min_length=1,
        path=True,
    )
    annotations_sha256: str | None = key(
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        "sha256 of the annotations file, which is checked; null only for a local file.",
        pattern="^[0-9a-f]{64}$",
    )
    images: str | None = key(
        None,
        "URL to which the pictures' file names are appended, or a local folder with the pictures; "
        "null for the official bucket.",
        min_length=1,
        path=True,
    )
    keypoints: str | None = key(
        None,
        "Path of a COCO person_keypoints JSON file, used to compare poses. null uses the one in "
        "the annotations archive; a JSON file of annotations has none.",
        min_length=1,
        path=True,
    )


@dataclass(frozen=True)
class FolderSettings(Section):
    """For the source folder."""

    path: str | None = key(
        None,
        "Directory of pictures, which is searched with all its subfolders; nothing is copied or "
        "changed. It may be an address in a bucket, such as s3://bucket/pictures, and so may all "
        "your own files (docs/past-one-machine.md).",
        min_length=1,
        path=True,
    )
    annotations: str | None = key(
        None,
        "COCO instances JSON file for these pictures, as labelling tools export it; also within a "
        "zip archive, or packed with gzip. With it, the run measures AP. File names need not be "
        "those of the directory: each gets the one picture that it can mean.",
        min_length=1,
        path=True,
    )
    category: str | None = key(
        None,
        "What the annotations call dataset.category, such as pedestrian; null for the same name, "
        "in any case.",
        min_length=1,
    )
    keypoints: str | None = key(
        None,
        "COCO person_keypoints JSON file with the same annotation ids as annotations. With it, the "
        "report says how similar the poses of neighbours are.",
        min_length=1,
        path=True,
    )
    exclude: tuple[str, ...] = key(
        (),
        "Files and folders to leave out, relative to the directory, with forward slashes, in any "
        "case. `private` leaves out what has that name anywhere, `2019/private` one folder, "
        '`"*.png"` a kind of file, `"**/edited/**/old"` a folder below another; YAML needs the '
        "quotes. `*` and `?` stand for characters of one name. "
        "Hidden files and folders, and those that a NAS or an operating "
        "system keeps, such as @eaDir and #recycle, are always left out.",
        min_length=1,
        unique=True,
    )


# Keys of the section `dataset` that say how pictures are fetched, and not which pictures there are.
HOW_TO_FETCH = (
    "connections",
    "retries",
    "backoff_seconds",
    "timeout_seconds",
    "max_skipped_fraction",
    "packed",
)


@dataclass(frozen=True)
class DatasetSettings(Section):
    """Which pictures are used, and how they are fetched."""

    source: str = key(
        "coco-minitrain",
        "coco-minitrain: 25,000 images of COCO train2017. coco-val2017: COCO's validation "
        "images, for honest AP. folder: any directory of pictures. openpeople: 60 generated "
        "pictures of nobody, from the Python package of that name.",
        choices=SOURCES,
    )
    category: str = key(
        "person",
        "The COCO category to detect and search for, one of the 80 names. Files and columns say "
        '"person" for any category.',
        choices=CATEGORIES,
    )
    only_with_category: bool = key(
        True,
        "With a COCO source, use only the images annotated with the category. AP is then higher "
        "than over all images, as false detections in the others do not count; set false to "
        "compare AP with published figures.",
    )
    max_images: int | None = key(
        None,
        "Use only this many images, those with the lowest ids, for a first look; null for all.",
        minimum=1,
    )
    max_skipped_fraction: float = key(
        0.01,
        "The run stops when more than this share of the pictures cannot be used; a single picture "
        "stops it only with 0. dataset/skipped.tsv lists each with its reason; if the run "
        "stopped, logs/build_manifest.log does.",
        minimum=0,
        maximum=1,
    )
    max_pixels: int = key(
        250_000_000,
        "Pictures with more pixels are left out; phones make up to 200 million. Those of more than "
        "50 million are decoded with half, a quarter, ... of their width and height, so that the "
        "memory of a job suffices; boxes are in pixels of the picture itself.",
        minimum=1,
        maximum=1_000_000_000,
    )
    connections: int = key(
        16, "Number of pictures that each fetching job downloads at a time.", minimum=1, maximum=64
    )
    retries: int = key(
        5, "Number of times that a failed download is tried again.", minimum=0, maximum=20
    )
    backoff_seconds: float = key(
        1.0,
        "The waits between retries start at about this many seconds and double, with a random "
        "part. If a busy server sends Retry-After, that is used. No wait exceeds two minutes.",
        minimum=0,
        maximum=60,
    )
    timeout_seconds: float = key(
        60,
        "How long a server may be silent. A picture may take three times as long, and so may "
        "each MiB of a longer file. Raise it on a slow connection.",
        minimum=1,
        maximum=600,
    )
    packed: bool = key(
        False,
        "Keep the downloaded pictures as one zip archive for each shard, and not as files, for a "
        "results folder on a file system that is slow with many small files, such as a mounted "
        "Google Drive. A folder of your own is read where it is. Results are the same. Set it "
        "before the first run: later it concerns only what is fetched again.",
    )
    coco: CocoSettings = section(CocoSettings)
    folder: FolderSettings = section(FolderSettings)
