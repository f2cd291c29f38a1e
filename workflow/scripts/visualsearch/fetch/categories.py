"""Finds which categories of the user's annotations are the one that is searched for."""

import logging
from collections import Counter
from pathlib import Path
from reprlib import repr as brief

from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.fetch.instances import MOST_NAMES, Instances

log = logging.getLogger(__name__)

# What tools and people call COCO's "person".
PERSONS = ("person", "people", "persons", "pedestrian", "pedestrians", "human", "humans")


def wanted_categories(
    instances: Instances, category: str, called: str | None, path: Path
) -> frozenset[int]:
    """Return the ids of the categories that mean `category`.

    called: dataset.folder.category, what the file calls it; None for `category` itself, also in
    another case. Of categories of one name, those that are annotated are meant, if any is. Raises
    InputError if none fits, or if two that fit have other names.
    """
    used = Counter(entry["category_id"] for entry in instances["annotations"])
    name = called or category
    fits = [entry for entry in instances["categories"] if _plain(entry["name"]) == _plain(name)]
    fits = [entry for entry in fits if used[entry["id"]]] or fits
    fits = [entry for entry in fits if entry["name"] == name] or fits
    names = sorted({entry["name"] for entry in fits})
    if len(names) > 1:
        raise InputError(
            f"dataset.folder.category: {path} has {', '.join(map(brief, names))}, which could all"
            f" mean {brief(name)}; set it to one of them"
        )
    boxes: Counter[str] = Counter()
    for entry in instances["categories"]:
        boxes[entry["name"]] += used[entry["id"]]
    ranked = sorted(boxes, key=lambda each: (-boxes[each], each))
    listed = one_line(", ".join(f"{each} ({boxes[each]})" for each in ranked) or "none")
    if not names:
        # What the user named may be misspelt, so it says nothing about persons.
        likely = _likely(ranked, boxes, category if called is None else None)
        perhaps = f", perhaps {brief(likely)}" if likely is not None else ""
        raise InputError(
            f"dataset.folder.category: {path} has no category {brief(name)}; set it to the one that"
            f" means {category}{perhaps}. It has (boxes): {listed[:MOST_NAMES]}"
        )
    if not boxes[names[0]] and any(boxes.values()):
        log.warning(
            "%s: no box is of the category %s; if another means %s, set dataset.folder.category. It"
            " has (boxes): %s",
            path,
            brief(names[0]),
            category,
            listed[:MOST_NAMES],
        )
    return frozenset(entry["id"] for entry in fits)


def _likely(ranked: list[str], boxes: Counter[str], category: str | None) -> str | None:
    """The category that perhaps means `category`. ranked: all names, the most frequent first."""
    if category == "person":
        for name in ranked:
            if _plain(name) in PERSONS:
                return name
    return ranked[0] if sum(map(bool, boxes.values())) == 1 else None


def join_categories(instances: Instances, wanted: frozenset[int], category: str) -> int:
    """Join categories of one name, call the wanted one `category`, and return its id.

    The joined one has the lowest id that is annotated, if any is.
    """
    used = {entry["category_id"] for entry in instances["annotations"]}
    groups: dict[str | None, list[int]] = {}
    for entry in instances["categories"]:
        key = None if entry["id"] in wanted else entry["name"]
        groups.setdefault(key, []).append(entry["id"])
    new: dict[int, int] = {}
    for name, ids in groups.items():
        annotated = used.intersection(ids)
        new |= dict.fromkeys(ids, min(annotated or ids))
        if len(annotated) > 1:
            shown = ", ".join(map(str, sorted(annotated)))
            log.warning(
                "the annotations have the category %r more than once (ids %s): joined",
                name or category,
                shown,
            )
    for annotation in instances["annotations"]:
        annotation["category_id"] = new[annotation["category_id"]]
    kept = [entry for entry in instances["categories"] if new[entry["id"]] == entry["id"]]
    chosen = new[min(wanted)]
    taken = {entry["name"] for entry in kept if entry["id"] != chosen}
    for entry in kept:
        if entry["id"] == chosen:
            if entry["name"] != category:
                log.info("the annotations call %s %r", category, entry["name"])
            entry["name"] = category
        elif entry["name"] == category:
            # Another is searched for under this name.
            other = f"{category} (id {entry['id']})"
            while other in taken:
                other += "*"
            entry["name"] = other
    instances["categories"] = kept
    return chosen


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
