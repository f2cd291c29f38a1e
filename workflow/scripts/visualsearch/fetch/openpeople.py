"""The 60 pictures of the Python package openpeople: generated, photo-like, of no real person.

They show ten people in six views each; the package is MIT-licensed, https://pypi.org/project/openpeople/.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage
from visualsearch.data.skipped import Skipped
from visualsearch.fetch.verify import KnownSizes, check_file
from visualsearch.settings import DatasetSettings

REQUIREMENT = "openpeople==0.1.2"
# sha256 of the lines "<sha256>  <file>\n" of all pictures, sorted by file.
DIGEST = "cd99e0ca7a4f613252c720459f92e8133e8e70d96eab1be9c177a2af2ef988d5"
HOME = "https://github.com/Prompt-Haus/OpenPeople"
LICENSE = "MIT (generated picture of nobody)"
VIEWS = (
    "amateur_posture",
    "amateur_selfie",
    "character_sheet",
    "emotions_sheet",
    "studio_portrait",
    "studio_posture",
)
PEOPLE = range(1, 11)


def list_images(settings: DatasetSettings, work_dir: Path) -> ImageList:
    """Return the package's pictures, labelled with person and view. `work_dir` is not used.

    image_id is 10 * person + view; both are counted from 1, views in the order of VIEWS.
    """
    images = []
    total = hashlib.sha256()
    for person in PEOPLE:
        for number, view in enumerate(VIEWS, start=1):
            name = f"P{person:03d}"
            file = f"{name}/{view}.jpg"
            total.update(f"{hashlib.sha256(_read(file)).hexdigest()}  {file}\n".encode())
            labels = json.dumps({"person": name, "view": view.replace("_", " ")})
            images.append(
                ListedImage(
                    image_id=10 * person + number,
                    file=file,
                    license=LICENSE,
                    license_url=f"{HOME}/blob/main/LICENSE",
                    source_url=HOME,
                    labels=labels,
                )
            )
    if total.hexdigest() != DIGEST:
        raise InputError(
            f"the installed package openpeople has other pictures than {REQUIREMENT};"
            f" run: pip install {REQUIREMENT}"
        )
    return ImageList(images[: settings.max_images], [])


def fetch(
    images: Sequence[ListedImage],
    image_root: Path,
    settings: DatasetSettings,
    known: KnownSizes,
) -> Iterator[FetchedImage | Skipped]:
    """Copy the pictures from the package to `image_root`, and check each."""
    for image in images:
        data = _read(image.file)
        path = image_root / image.file
        if not path.exists() or path.read_bytes() != data:
            with replacing(path) as temporary:
                temporary.write_bytes(data)
        yield check_file(image, path, known, settings.max_pixels)


def _read(file: str) -> bytes:
    person, picture = file.split("/")
    try:
        root: Traversable = resources.files("openpeople")
        return root.joinpath("data", "curated", person, "assets", picture).read_bytes()
    except (ImportError, OSError) as error:
        raise InputError(
            f"the source openpeople needs the package of that name; run: pip install {REQUIREMENT}"
        ) from error
