"""The explorer: a static page in which every person of the search set is a query.

`thumbnails` and `chunks` make the files that the page loads on demand, from the `contents` of the
search set; `page` makes the page; `writing` writes all of it. `own_pictures` puts beside it the
networks with which the page searches for its reader's own pictures (visualsearch.export). The
page's text, layout and scripts are in templates/.
"""

from importlib.util import find_spec
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.settings import ExplorerSettings

TEMPLATES = Path(__file__).parent / "templates"

# What writes networks for the page; without them it cannot search for the reader's own pictures.
PACKAGES = ("onnx", "onnxscript")


def check_own_pictures(settings: ExplorerSettings) -> None:
    """Raise InputError if explorer.own_pictures is asked for and a package of it is missing.

    Cheap: looks for the packages without importing them.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if settings.own_pictures and missing:
        raise InputError(
            f"explorer.own_pictures is true and its package {missing[0]} is not installed; run "
            "pip install -r requirements-onnx.txt, or set it to false"
        )
