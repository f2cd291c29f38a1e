"""Tells what the text of a setting names: a URL, an address in a bucket, a file, a box in it."""

import re
from typing import NamedTuple

# A box in a picture, as in a media fragment of the W3C: https://www.w3.org/TR/media-frags/#naming-space
BOX = "#xywh="
NUMBER = r"\d{1,9}(?:\.\d{1,30})?"
BOX_TEXT = re.compile(
    rf"(?:(?P<unit>pixel|percent):)?(?P<x>-?{NUMBER}),(?P<y>-?{NUMBER}),(?P<w>{NUMBER}),(?P<h>{NUMBER})",
    re.ASCII,
)


def is_url(text: str) -> bool:
    """Whether a setting that may be a URL or a path is a URL."""
    return text.startswith(("http://", "https://"))


def is_address(setting: object) -> bool:
    """Whether a setting is an address in a bucket, such as s3://bucket/pictures."""
    if not isinstance(setting, str) or is_url(setting):
        return False
    return re.match(r"[a-z][a-z0-9+.-]*://", setting) is not None


def is_weights_file(weights: str) -> bool:
    """Whether `detector.weights` names a file: it has a slash, or the suffix of a weights file."""
    return "/" in weights or weights.endswith((".pth", ".pt", ".safetensors"))


class GivenBox(NamedTuple):
    """A box that the user gives: left, top, width and height, in pixels or in percent."""

    numbers: tuple[float, float, float, float]
    percent: bool

    def corners(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom in pixels of a picture of this size."""
        x, y, w, h = self.numbers
        if self.percent:
            x, y, w, h = x * width / 100, y * height / 100, w * width / 100, h * height / 100
        return x, y, x + w, y + h


def without_box(picture: str) -> str:
    """Return the path or the address in `picture`, such as me.jpg in me.jpg#xywh=10,20,30,40."""
    return picture.partition(BOX)[0]


def given_box(picture: str) -> GivenBox | None:
    """Return the box that follows the path of a picture; None if there is none.

    Raises ValueError for a box that is not written as in `BOX_TEXT`, or is empty.
    """
    _, mark, text = picture.partition(BOX)
    if not mark:
        return None
    found = BOX_TEXT.fullmatch(text.replace(" ", ""))
    if found is None or not float(found["w"]) or not float(found["h"]):
        raise ValueError(f"{text} is not a box")
    x, y, w, h = (float(found[name]) for name in "xywh")
    return GivenBox((x, y, w, h), found["unit"] == "percent")
