"""What came out in each gallery, beside chance; and what a similarity means in this set."""

from typing import Any

from visualsearch.report.model import Query, Results
from visualsearch.report.numbers import decimals, listed

LABEL = "label:"
# Fewer random pairs say nothing of their 99th percentile.
FEWEST_PAIRS = 200


def outcome(results: Results, query: Query) -> str | None:
    """Say in one line what a query and its hits have in common, and what chance would give.

    Box height and cut-off are told where nothing better is known. None where nothing is, as for
    the user's own pictures.
    """
    if query.alike is None:
        return None
    known = query.alike["measures"]
    told = [
        *_labels({name: found for name, found in known.items() if name.startswith(LABEL)}),
        *_annotated(known, len(query.hits)),
    ] or _scale(known, query.alike["cut_off"])
    if not told:
        return None
    text = ", ".join(words for words, _ in told)
    chances = listed([chance for _, chance in told])
    return f"{text[:1].upper()}{text[1:]}; random {results.nouns[1]}: {chances}."


def scale(results: Results) -> str | None:
    """Say where the similarities of random pairs lie; None where too few were there."""
    pairs = results.search.get("random_pairs")
    if pairs is None or pairs["pairs"] < FEWEST_PAIRS:
        return None
    return (
        f"What a similarity means here: of random pairs of {results.nouns[1]} in different "
        f"pictures, half have a cosine of {decimals(pairs['median'])} or less, and 99 % have "
        f"{decimals(pairs['percentile_99'])} or less."
    )


def scale_marks(results: Results) -> list[tuple[str, float]]:
    """Return the marks on the bars of similarity: name, and place from 0 to 1."""
    if scale(results) is None:
        return []
    pairs = results.search["random_pairs"]
    return [(name, min(max(pairs[name], 0), 1)) for name in ("median", "percentile_99")]


# Each part of the line is what it says of the hits, and the same of random persons.
_Part = tuple[str, str]


def _labels(known: dict[str, Any]) -> list[_Part]:
    """8 of 10 share the view, 1 the person."""
    parts: list[_Part] = []
    before = None
    # What most of the hits share comes first.
    for name, found in sorted(known.items(), key=lambda item: (-item[1]["value"], item[0])):
        kind, (shared, chance) = name.removeprefix(LABEL), _counts(found)
        if found["hits"] == before:
            words = f"{shared} the {kind}"
        else:
            words = f"{shared} of {found['hits']:,} {_verb(shared, 'share')} the {kind}"
        before = found["hits"]
        parts.append((words, chance))
    return parts


def _annotated(known: dict[str, Any], hits: int) -> list[_Part]:
    parts = []
    for name, words in (
        ("pose", "the mean similarity of pose is"),
        ("context", "the mean overlap of the other categories in the pictures is"),
    ):
        if name in known:
            found = known[name]
            some = "" if found["hits"] == hits else f" (known of {found['hits']:,} of {hits:,})"
            text = f"{words} {decimals(found['value'])}{some}"
            parts.append((text, decimals(found["chance"])))
    return parts


def _scale(known: dict[str, Any], cut_off: bool) -> list[_Part]:
    if "height" not in known or "cut_off" not in known:
        return []
    high, by_chance = _counts(known["height"])
    same, same_by_chance = _counts(known["cut_off"])
    where = "cut off at an edge" if cut_off else "away from the edges"
    return [
        (
            f"{high} of {known['height']['hits']:,} {_verb(high, 'have')} a box of about the "
            "query’s height (by a factor of 1.5 at most)",
            by_chance,
        ),
        (f"{same} {_verb(same, 'are')} {where} as the query is", same_by_chance),
    ]


def _counts(found: dict[str, Any]) -> tuple[str, str]:
    """How many hits share something, and how many as many random persons would on average."""
    hits = found["hits"]
    return f"{round(found['value'] * hits):,}", decimals(found["chance"] * hits, 1)


def _verb(number: str, verb: str) -> str:
    singular = {"share": "shares", "have": "has", "are": "is"}
    return singular[verb] if number == "1" else verb
