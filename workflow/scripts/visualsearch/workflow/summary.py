"""The results of a run in a few lines for the terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from visualsearch.core.files import read_json
from visualsearch.core.text import one_line
from visualsearch.data.skipped import left_out_lines, read_skipped
from visualsearch.fetch import has_annotations
from visualsearch.settings import DatasetSettings

# Pictures without a query that are named.
MOST_QUERIES = 5


def summary_lines(results: Path, dataset: DatasetSettings, own_queries: bool = False) -> list[str]:
    """Persons, average precision, recall, galleries, what is left out, and the report's address.

    results: the folder of a finished run. own_queries: whether it has the user's query pictures. If
    a file is missing or damaged, the lines that need it say "not known". Nothing left out is no
    line.
    """
    lines = []
    for heading, of_run in LINES.items():
        try:
            text = of_run(results, dataset)
        except Exception as error:  # A successful run must not fail at its last line.
            text = _not_known(error)
        lines.append(f"{heading:10}{text}")
    lines[-1:-1] = _left_out(results, own_queries)
    return lines


def _not_known(error: Exception) -> str:
    return f"not known ({type(error).__name__}: {' '.join(str(error).split())})"


def _left_out(results: Path, own_queries: bool) -> list[str]:
    lists = [results / "dataset/skipped.tsv", results / "detections/skipped.tsv"]
    queries = results / "search/skipped_query_images.tsv"
    try:
        found = {path: read_skipped(path) for path in lists if path.exists()}
        said = left_out_lines([entry for entries in found.values() for entry in entries])
        if own_queries and queries.exists():
            # A picture that was given twice is one query, so the second is not without one.
            found[queries] = [entry for entry in read_skipped(queries) if entry.counts]
            if names := [entry.file for entry in found[queries]]:
                said.append(f"no query from your own {_some(names)}")
    except Exception as error:
        said, found = [_not_known(error)], {}
    if named := [str(path) for path, entries in found.items() if entries]:
        said[-1] += f"; listed in {' and '.join(named)}"
    return [f"{'' if number else 'Left out':10}{line}" for number, line in enumerate(said)]


def _some(names: Sequence[str]) -> str:
    others = len(names) - MOST_QUERIES
    more = f" and {others:,} more" if others > 0 else ""
    return one_line(", ".join(names[:MOST_QUERIES]) + more)


def _found(results: Path, dataset: DatasetSettings) -> str:
    category, n = dataset.category, read_json(results / "index/index.json")["n_items"]
    found = (
        f"{n:,} person{'s' * (n != 1)}" if category == "person" else f"{n:,} of category {category}"
    )
    try:
        import pyarrow.parquet as pq
    except ImportError:
        # With conda, perhaps only the jobs' environments have it.
        return found
    persons = pq.read_table(results / "index/persons.parquet", columns=["image_id"])
    pictures = pq.read_metadata(results / "dataset/manifest.parquet").num_rows
    return f"{found}, in {len(persons['image_id'].unique()):,} of {pictures:,} pictures"


def _average_precision(results: Path, dataset: DatasetSettings) -> str:
    if not has_annotations(dataset):
        return "not known: these pictures come without annotated boxes"
    measured = read_json(results / "evaluation/detections.json")
    if measured["AP"] is None:
        return f"not known: {measured['AP_note']}"
    text = f"{measured['AP']:.3f} (AP50 {measured['AP50']:.3f})"
    if dataset.source == "coco-minitrain":
        detector = read_json(results / "detections/detector.json")
        known = detector["trained_on"] == "COCO train2017"
        text += f"; the detector {'was' if known else 'may have been'} trained on these pictures"
    note = measured.get("AP_note")
    return f"{text}, but {note}" if note else text


def _recall(results: Path, dataset: DatasetSettings) -> str:
    index = read_json(results / "index/index.json")["recall"]["recall@10"]
    search = read_json(results / "evaluation/search.json")
    reduced = search["reduced_against_full_length"]["recall@10"]
    if reduced is None:
        return "not known: nobody has a neighbour in another picture"
    return f"the index finds {index:.3f} of the ten nearest, the reduction keeps {reduced:.3f}"


def _galleries(results: Path, dataset: DatasetSettings) -> str:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return "as many as the report shows"
    queries = pq.read_metadata(results / "search/queries.parquet").num_rows
    hits = pq.read_metadata(results / "search/hits.parquet").num_rows
    return f"{queries:,} {'query' if queries == 1 else 'queries'}, {hits:,} neighbours"


def _report(results: Path, dataset: DatasetSettings) -> str:
    return (results / "report/index.html").resolve(strict=True).as_uri()


LINES: dict[str, Callable[[Path, DatasetSettings], str]] = {
    "Found": _found,
    "AP": _average_precision,
    "Recall": _recall,
    "Galleries": _galleries,
    "Report": _report,
}
