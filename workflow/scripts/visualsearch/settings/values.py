"""Tells what the text of a setting names: a URL, an address in a bucket, or a file."""

import re


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
