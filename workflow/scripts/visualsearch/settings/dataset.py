"""Settings of where pictures come from and where results go."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key, section
from visualsearch.settings.names import CATEGORIES, SOURCES


@dataclass(frozen=True)
class PathvarsSettings(Section):
    """Where outputs go. Snakemake reads this section itself, before the others."""

    results: str = key(
        "results/coco-minitrain",
        "Folder for all outputs. Use another folder for another dataset or detector.",
        min_length=1,
        path=True,
    )
    logs: str = key("<results>/logs", "Folder for the logs of the jobs.", min_length=1, path=True)
    benchmarks: str = key(
        "<results>/benchmarks",
        "Folder for the time and memory of each job.",
        min_length=1,
        path=True,
    )


@dataclass(frozen=True)
class CocoSettings(Section):
    """Where the files of the COCO sources come from: official servers, mirrors or local files."""

    definition: str | None = key(
        None,
        "Path or URL of instances_minitrain2017.json, which lists the images of minitrain. "
        "null: the official file on Google Drive.",
        min_length=1,
        path=True,
    )
    definition_images: int | None = key(
        25000,
        "Number of images that this file must list. It must also list two images that a known "
        "re-sampled copy lacks. null: neither is checked.",
        minimum=1,
    )
    annotations: str = key(
        "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "URL or path of annotations_trainval2017.zip, or path of an instances JSON file.",
        min_length=1,
        path=True,
    )
    annotations_sha256: str | None = key(
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        "Expected sha256 of the annotations. null, which checks nothing, is allowed for a local "
        "file only.",
        pattern="^[0-9a-f]{64}$",
    )
    images: str | None = key(
        None,
        "Base URL of the pictures, to which each file name is appended, or a local folder of "
        "them. null: the official bucket.",
        min_length=1,
        path=True,
    )
    keypoints: str | None = key(
        None,
        "Path of a COCO person_keypoints JSON file, for comparing poses. null: the one in "
        "annotations_trainval2017.zip; none if dataset.coco.annotations is a JSON file.",
        min_length=1,
        path=True,
    )


@dataclass(frozen=True)
class FolderSettings(Section):
    """For the source folder."""

    path: str | None = key(
        None,
        "Folder of pictures, searched with all subfolders. Nothing in it is changed. This and "
        "the paths of all your own files may be addresses in a bucket, such as "
        "s3://bucket/pictures (docs/past-one-machine.md).",
        min_length=1,
        path=True,
    )
    annotations: str | None = key(
        None,
        "COCO instances JSON file for these pictures, as labelling tools export it; may be in a "
        "zip archive or gzipped. With it the run measures AP. A file name need not match "
        "exactly: it is taken if only one picture can be meant.",
        min_length=1,
        path=True,
    )
    category: str | None = key(
        None,
        "What the annotations call dataset.category, such as pedestrian. null: the same name, "
        "in any case.",
        min_length=1,
    )
    keypoints: str | None = key(
        None,
        "COCO person_keypoints JSON file with the same annotation ids. With it "
        "the report compares the poses of neighbours.",
        min_length=1,
        path=True,
    )
    exclude: tuple[str, ...] = key(
        (),
        "Files and folders to leave out: paths within the folder, with forward slashes, in any "
        "case. `private` leaves out everything of that name, `2019/private` one folder, "
        '`"*.png"` a kind of file, `"**/edited/**/old"` a folder below another. Put patterns '
        "with `*` in quotes. `*` and `?` stand for characters of one name. Hidden files and the "
        "folders of a NAS or an operating system, such as @eaDir and #recycle, are always left "
        "out.",
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
        "coco-minitrain: 25,000 images of COCO train2017. coco-val2017: the validation images "
        "of COCO, on which published AP is measured. folder: your own pictures. openpeople: 60 "
        "generated pictures of people who do not exist, from the Python package of that name.",
        choices=SOURCES,
    )
    category: str = key(
        "person",
        'The COCO category to detect and search for. Files and columns say "person" for any '
        "category.",
        choices=CATEGORIES,
    )
    only_with_category: bool = key(
        True,
        "With a COCO source, use only the images annotated with the category. This raises AP, "
        "because false detections in other images do not count. Set false to compare AP with "
        "published figures.",
    )
    max_images: int | None = key(
        None,
        "Use only this many images, those with the lowest ids. null: all.",
        minimum=1,
    )
    max_skipped_fraction: float = key(
        0.01,
        "Stop if more than this share of the pictures cannot be used. With 0, one such picture "
        "stops the run. dataset/skipped.tsv lists them with the reasons; if the run stopped, "
        "logs/build_manifest.log does.",
        minimum=0,
        maximum=1,
    )
    max_pixels: int = key(
        250_000_000,
        "Leave out pictures with more pixels. Phones make up to 200 million. Pictures of more "
        "than 50 million are decoded at a half, a quarter, ... of their width and height, to "
        "limit memory. Boxes are in pixels of the original picture.",
        minimum=1,
        maximum=1_000_000_000,
    )
    connections: int = key(
        16, "Number of pictures that a fetching job downloads at once.", minimum=1, maximum=64
    )
    retries: int = key(5, "Number of times to retry a failed download.", minimum=0, maximum=20)
    backoff_seconds: float = key(
        1.0,
        "First wait before a retry; later ones double, with a random part. If a server sends "
        "Retry-After, that is used instead. No wait exceeds two minutes.",
        minimum=0,
        maximum=60,
    )
    timeout_seconds: float = key(
        60,
        "How long a server may send nothing. A picture may take three times as long in all, and "
        "so may each MiB of a longer file. Raise it on a slow connection.",
        minimum=1,
        maximum=600,
    )
    packed: bool = key(
        False,
        "Keep downloaded pictures in one zip archive for each shard instead of single files. "
        "Use it where many small files are slow, such as on a mounted Google Drive. Results are "
        "the same. Set it before the first run, because it only affects pictures fetched later. "
        "Your own folder is not packed.",
    )
    coco: CocoSettings = section(CocoSettings)
    folder: FolderSettings = section(FolderSettings)
