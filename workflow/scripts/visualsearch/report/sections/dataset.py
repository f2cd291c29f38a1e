"""The pictures of a run: where they come from, what was left out, and their licences."""

from visualsearch.data.skipped import by_reason
from visualsearch.report.blocks import Block, Details, Facts, Link, Links, Number, Table
from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts as Pairs
from visualsearch.report.numbers import count

SOURCES = {
    "coco-minitrain": "COCO minitrain, 25,000 images of COCO train2017",
    "coco-val2017": "COCO val2017",
    "folder": "a folder of pictures",
    "openpeople": "openpeople, 60 generated pictures of ten people who do not exist",
}


def blocks(results: Results) -> list[Block]:
    """Return the facts of the dataset, and why files were left out."""
    made: list[Block] = [Facts(facts(results))]
    if results.skipped:
        rows = [[reason, f"{n:,}"] for reason, n in skipped_reasons(results)]
        made.append(Table("Files left out", ["files left out because", Number("files")], rows))
    return made


def facts(results: Results) -> Pairs:
    """Return the facts of the dataset and the search set."""
    dataset, chosen = results.settings.dataset, results.settings.search_set
    told = [
        ("source", SOURCES.get(dataset.source, dataset.source)),
        ("category", dataset.category),
    ]
    if dataset.source.startswith("coco-"):
        kept = "with the category only" if dataset.only_with_category else "all of the set"
        told.append(("pictures kept", kept))
    if dataset.max_images is not None:
        told.append(("limit", f"the first {count(dataset.max_images, 'picture')} by id"))
    left_out = sum(entry.files for entry in results.skipped if entry.counts)
    threshold = results.detector["score_threshold"]
    return [
        *told,
        ("pictures", f"{results.n_pictures:,}"),
        ("left out", f"{left_out:,}" if left_out else "none"),
        ("detections", f"{results.n_detections:,}, score at least {threshold:g}"),
        (
            "in the search set",
            f"{results.n_persons:,}, score at least {chosen.min_score:g} and height at least "
            f"{chosen.min_height:g} px",
        ),
    ]


def skipped_reasons(results: Results) -> list[tuple[str, int]]:
    """Return (reason, files left out for it), the most frequent first; then what does not count."""
    pictures = [entry for entry in results.skipped if entry.counts]
    others = [entry for entry in results.skipped if not entry.counts]
    return [
        (f"{group.reason}: {group.kinds}" if group.kinds else group.reason, group.files)
        for group in by_reason(pictures) + by_reason(others)
    ]


def licences(results: Results) -> list[Block]:
    """Return the pictures shown, folded by licence."""
    return [
        Details(
            f"{group.name}: {count(len(group.pictures), 'picture')} shown",
            [
                *([Links([Link(group.url, group.url)])] if group.url else []),
                Links([Link(picture.file, picture.source_url) for picture in group.pictures]),
            ],
        )
        for group in results.licenses_shown()
    ]
