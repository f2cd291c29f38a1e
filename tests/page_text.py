"""Read a page of a report without a browser."""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image


class Page(HTMLParser):
    """A page's elements, its words, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.words: list[str] = []
        self._raw = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif not self._raw:
            self.words.append(data)

    def data(self, name: str) -> Any:
        """The JSON of the script with this id."""
        return next(json.loads(text) for attrs, text in self.scripts if attrs.get("id") == name)

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        """The attributes of each element of this name."""
        return (attrs for name, attrs in self.elements if name == tag)

    def crops(self) -> list[dict[str, str]]:
        """The attributes of the picture of each query and hit that the page itself shows."""
        return [attrs for attrs in self.all("img") if "src" in attrs and "class" not in attrs]

    def shape(self) -> Counter[tuple[str, ...]]:
        """How many elements there are of each name and names of attributes."""
        return Counter((tag, *sorted(attrs)) for tag, attrs in self.elements)


def page_of(report: Path) -> Page:
    """The page of a report's folder."""
    return Page((report / "index.html").read_text(encoding="utf-8"))


def picture_of(url: str) -> Image.Image:
    """The JPEG that an address holds."""
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
