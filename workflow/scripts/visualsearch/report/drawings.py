"""Figures drawn by matplotlib, made part of a page: its colours, its font, ids of their own."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from markupsafe import Markup

from visualsearch.core.errors import InputError
from visualsearch.web.colours import BLUE, GREEN, INK, ORANGE, PAPER

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# What the page's style puts in the place of the drawn colours.
COLORS = {
    INK: "currentColor",
    PAPER: "none",
    BLUE: "var(--series-1)",
    ORANGE: "var(--series-2)",
    GREEN: "var(--series-3)",
}


def inline_svg(path: str | Path, prefix: str, text: str) -> Markup:
    """An SVG file as an element for HTML.

    prefix: goes before each id, as two figures on a page may share some. text: what is to be seen,
    for those who do not see it. Raises InputError where the file is none.
    """
    ET.register_namespace("", SVG)
    try:
        root = ET.parse(path).getroot()
        if root.tag != f"{{{SVG}}}svg":
            raise ET.ParseError(f"it starts with {root.tag}")
    except (OSError, ET.ParseError) as error:
        raise InputError(
            f"the figure {Path(path).name} that a stage has drawn is no readable SVG ({error}); "
            "delete it in the results and rerun"
        ) from error
    for parent in list(root.iter()):
        for child in list(parent):
            # The style element would hold for the whole page.
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.attrib = {
            name.replace(f"{{{XLINK}}}", ""): _restyled(name, value, prefix)
            for name, value in element.attrib.items()
        }
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": text, "class": "plot"}
    return Markup(ET.tostring(root, encoding="unicode"))


def _restyled(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name.endswith("href"):
        return re.sub(r"^#", f"#{prefix}", value)
    value = re.sub(r"url\(#", f"url(#{prefix}", value)
    value = re.sub(r"\bfont-family:[^;]*;?\s*", "", value)
    for drawn, shown in COLORS.items():
        value = re.sub(re.escape(drawn), shown, value, flags=re.IGNORECASE)
    return value
