"""The first lines of a run: what it is about to do, and what the user may not have meant."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.settings import DatasetSettings, Settings

# Of these options Snakemake silently drops all but the last.
TAKEN_ONCE = {
    "--configfile": "--configfile",
    "--configfiles": "--configfile",
    "--config": "--config",
    "-C": "--config",
}


def refuse_repeated_options(arguments: Sequence[str]) -> None:
    """Raise InputError when an option is there twice of which Snakemake takes only the last."""
    values: dict[str, list[list[str]]] = {}
    taking: list[str] | None = None
    for word in arguments[1:]:
        option, equals, value = word.partition("=")
        if word == "--":
            break
        if option in TAKEN_ONCE:
            taking = [value] if equals else []
            values.setdefault(TAKEN_ONCE[option], []).append(taking)
        elif word.startswith("-"):
            taking = None
        elif taking is not None:
            taking.append(word)
    for option, given in values.items():
        if len(given) > 1:
            dropped = shlex.join(word for each in given[:-1] for word in each)
            everything = shlex.join(word for each in given for word in each)
            raise InputError(
                f"the command has {option} {len(given)} times, and Snakemake would take only the"
                f" last, without {dropped}; write it once: {option} {everything}"
            )


def opening_line(settings: Settings, results: str | Path, given: Sequence[str]) -> str:
    """Return what the run is about to do, in one line.

    results: the folder or address of the results. given: the configuration files that count, and
    the keys given on the command line, in the order in which they go over each other.
    """
    dataset = settings.dataset
    parts = [
        f"This run: source {dataset.source}{_pictures(dataset)}",
        f"category {dataset.category}" if dataset.category != "person" else "",
        f"detector {settings.detector.name}",
        f"results in {results}",
        f"configured by {', '.join(given)}" if given else "",
    ]
    return one_line("; ".join(part for part in parts if part))


def _pictures(dataset: DatasetSettings) -> str:
    folder, count = fetch.local_root(dataset), fetch.count(dataset)
    text = "" if folder is None else f" ({folder})"
    if count is None:
        return text
    # How many of them show the category is not known before the annotations are read.
    return f"{text}, {'at most ' * fetch.has_annotations(dataset)}{count:,} pictures"


def unasked_hours(settings: Settings) -> list[str]:
    """Return a warning when nobody named the pictures and they are the whole of COCO minitrain."""
    if settings.dataset != DatasetSettings():
        return []
    return [
        "No configuration given with --configfile or --config names the pictures, so this is the "
        "full task, COCO minitrain: some hours, 3 GB to download, 4 GB of disk. For the demo, half "
        "a minute: snakemake --cores all --configfile config/demo.yaml"
    ]
