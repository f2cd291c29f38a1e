"""The results of a run in five lines for the terminal."""

from collections.abc import Callable
from pathlib import Path

from visualsearch.core.files import read_json
from visualsearch.fetch import has_annotations
from visualsearch.settings import DatasetSettings


def summary_lines(results: Path, dataset: DatasetSettings) -> list[str]:
    """Persons, average precision, recall, galleries, and the address of the report.

    results: the folder of a finished run. If a file is missing or damaged, the lines that need it
    say "not known".
    """
    lines = []
    for heading, of_run in LINES.items():
        try:
            text = of_run(results, dataset)
        except Exception as error:  # A successful run must not fail at its last line.
            text = f"not known ({type(error).__name__}: {' '.join(str(error).split())})"
        lines.append(f"{heading:10}{text}")
    return lines


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
    text = f"{measured['AP']:.3f} (AP50 {measured['AP50']:.3f}) of the detections"
    if dataset.source == "coco-minitrain":
        detector = read_json(results / "detections/detector.json")
        known = detector["trained_on"] == "COCO train2017"
        text += ", trained on these pictures" if known else ", perhaps trained on these pictures"
    note = measured.get("AP_note")
    return f"{text}, but {note}" if note else text


def _recall(results: Path, dataset: DatasetSettings) -> str:
    index = read_json(results / "index/index.json")["recall"]["recall@10"]
    search = read_json(results / "evaluation/search.json")
    reduced = search["reduced_against_full_length"]["recall@10"]
    if reduced is None:
        return "not known: nobody has a neighbour in another picture"
    return f"index {index:.3f}, reduction {reduced:.3f}, of the ten nearest"


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
