"""The arguments of the command `visualsearch query`. Imports nothing heavy."""

import argparse
from pathlib import Path

from visualsearch.settings.values import BOX, given_box

DESCRIPTION = """\
Search a finished run for the persons in your own pictures, by the run's own detector, vectors,
index and settings. Prints the hits, and writes a page with their galleries. The results stay as
they are. The answers are those of a run with these pictures in queries.images.
"""
EXAMPLES = """\
examples:
  visualsearch query results/demo me.jpg
  visualsearch query results/demo me.jpg --box 10,20,30,40 --output me.html
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results folder of a run")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a picture of your own")
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        type=_box,
        metavar="X,Y,W,H",
        help="search for what is in this box, without detection: left, top, width and height in "
        "pixels of the picture as a viewer shows it (or percent:X,Y,W,H); may be given again. For "
        f"several pictures write it behind each, as in me.jpg{BOX}10,20,30,40",
    )
    parser.add_argument(
        "--persons",
        type=_number,
        default=5,
        metavar="N",
        help="most persons to search for in each picture, the largest first; default %(default)s",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the page, such as me.html; by default a new file query-NAME.html in this folder",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the hits as JSON; the page is written too"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="the detector's weights, if detector.weights of the run was a file of your own",
    )


def _box(text: str) -> str:
    try:
        given_box(BOX + text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a box; write left, top, width and height, as in 10,20,30,40"
        ) from None
    return text


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)
