"""Where a picture comes from and under which licence, as outside files say."""

from typing import Any
from urllib.parse import urlsplit


def web_address(value: Any) -> str | None:
    """`value` where it is an http(s) address: reports link to it, and nothing fetches it."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None


def license_name(name: str | None, url: str | None) -> str | None:
    """A licence's short name: from the address where that is one of Creative Commons.

    https://creativecommons.org/licenses/by-nc/2.0/ gives CC BY-NC 2.0. What a name has in
    brackets is left out.
    """
    parts = urlsplit(web_address(url) or "")
    steps = [step for step in parts.path.split("/") if step]
    host = (parts.hostname or "").removeprefix("www.")
    if host == "creativecommons.org" and steps[:1] == ["licenses"]:
        return " ".join(["CC", *(step.upper() for step in steps[1:3])])
    return name.split(" (")[0].strip() or None if name else None
