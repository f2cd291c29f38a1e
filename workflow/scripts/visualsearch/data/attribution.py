"""Cleans a picture's address and licence, which annotation files give."""

from typing import Any
from urllib.parse import urlsplit


def web_address(value: Any) -> str | None:
    """Return `value` if it is an http(s) address to link to, else None."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None


def license_name(name: str | None, url: str | None) -> str | None:
    """Return the short name of a licence, or None.

    An address of Creative Commons such as https://creativecommons.org/licenses/by-nc/2.0/ gives
    "CC BY-NC 2.0". Otherwise it is `name` without text in brackets.
    """
    parts = urlsplit(web_address(url) or "")
    steps = [step for step in parts.path.split("/") if step]
    host = (parts.hostname or "").removeprefix("www.")
    if host == "creativecommons.org" and steps[:1] == ["licenses"]:
        return " ".join(["CC", *(step.upper() for step in steps[1:3])])
    return name.split(" (")[0].strip() or None if name else None
