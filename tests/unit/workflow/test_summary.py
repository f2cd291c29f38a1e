"""The lines at the end of a run: what they say, and that they never fail."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, unit_vectors
from visualsearch.core.files import write_json
from visualsearch.data.skipped import Skipped, left_out_lines, write_skipped
from visualsearch.data.tables import PERSONS, write_table
from visualsearch.settings import DatasetSettings
from visualsearch.workflow.summary import summary_lines

WITHOUT = DatasetSettings("openpeople")
MINITRAIN = DatasetSettings("coco-minitrain", "dog")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What the lines are read from: 10 persons in 4 of 6 pictures, 2 queries with 3 hits each."""
    persons = persons_table(unit_vectors(10, 4)).select(PERSONS.names)
    write_table(tmp_path / "index/persons.parquet", [persons], PERSONS)
    for name, rows in (("dataset/manifest", 6), ("search/queries", 2), ("search/hits", 6)):
        table = pa.table({"row": np.arange(rows)})
        write_table(tmp_path / f"{name}.parquet", [table], table.schema)
    write_json(tmp_path / "index/index.json", {"n_items": 10, "recall": {"recall@10": 0.9951}})
    reduction = {"reduced_against_full_length": {"recall@10": 0.842}}
    write_json(tmp_path / "evaluation/search.json", reduction)
    write_json(tmp_path / "evaluation/detections.json", {"AP": 0.36951, "AP50": 0.6})
    write_json(tmp_path / "detections/detector.json", {"trained_on": "COCO train2017"})
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("<!doctype html>")
    return tmp_path


def test_five_lines_of_a_set_without_annotations(results: Path) -> None:
    """The file of an earlier run over annotated pictures is not this one's."""
    assert summary_lines(results, WITHOUT) == [
        "Found     10 persons, in 4 of 6 pictures",
        "AP        not known: these pictures come without annotated boxes",
        "Recall    the index finds 0.995 of the ten nearest, the reduction keeps 0.842",
        "Galleries 2 queries, 6 neighbours",
        f"Report    file://{results}/report/index.html",
    ]


@pytest.mark.parametrize(
    ("trained_on", "note"),
    [
        ("COCO train2017", "; the detector was trained on these pictures"),
        ("not stated by its author", "; the detector may have been trained on these pictures"),
    ],
)
def test_training_set_ap_is_called_that(results: Path, trained_on: str, note: str) -> None:
    write_json(results / "detections/detector.json", {"trained_on": trained_on})
    found, ap, *_ = summary_lines(results, MINITRAIN)
    assert found == "Found     10 of category dog, in 4 of 6 pictures"
    assert ap == f"AP        0.370 (AP50 0.600){note}"


def test_ap_that_is_not_known_or_wrong_is_told_so(results: Path) -> None:
    numbers = {"AP": None, "AP50": None, "AP_note": "no dog is annotated (21 are crowds)"}
    write_json(results / "evaluation/detections.json", numbers)
    assert summary_lines(results, MINITRAIN)[1] == f"AP        not known: {numbers['AP_note']}"
    numbers = {"AP": 0.017, "AP50": 0.05, "AP_note": "61 of 82 annotated boxes leave their picture"}
    write_json(results / "evaluation/detections.json", numbers)
    _, line, *_ = summary_lines(results, DatasetSettings("coco-val2017"))
    assert line == f"AP        0.017 (AP50 0.050), but {numbers['AP_note']}"


def test_a_folder_is_opened_by_the_address_whatever_its_name(results: Path) -> None:
    place = results.rename(results.with_name("a #b c"))
    address = summary_lines(place, WITHOUT)[-1].split()[-1]
    assert address.endswith("/a%20%23b%20c/report/index.html")


@pytest.mark.parametrize("damage", ["missing", "half", "another's"])
@pytest.mark.parametrize(
    ("file", "lost"),
    [
        ("index/index.json", {"Found", "Recall"}),
        ("index/persons.parquet", {"Found"}),
        ("dataset/manifest.parquet", {"Found"}),
        ("evaluation/detections.json", {"AP"}),
        ("evaluation/search.json", {"Recall"}),
        ("search/hits.parquet", {"Galleries"}),
    ],
)
def test_a_damaged_file_costs_its_line_alone(
    results: Path, file: str, lost: set[str], damage: str
) -> None:
    path = results / file
    if damage == "missing":
        path.unlink()
    elif damage == "half":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        path.write_text(json.dumps(["something else"]))
    lines = summary_lines(results, MINITRAIN)
    assert {line.split()[0] for line in lines if "not known" in line} == lost
    assert len(lines) == 5 and not any("\n" in line for line in lines)


def test_what_was_left_out_is_said_by_reason(results: Path) -> None:
    """Also that of the detector and of query pictures; nothing is said of nothing."""
    pictures, detections = (
        results / "dataset/skipped.tsv",
        results / "detections/skipped.tsv",
    )
    queries = results / "search/skipped_query_images.tsv"
    for path in (pictures, detections):
        write_skipped(path, [])
    # Of a run before, with pictures of one's own.
    mine = [Skipped(None, f"{name}.jpg", "nobody is found") for name in "gfedcba"]
    again = Skipped(None, "0.jpg", "given 2 times; it is used once", counts=False)
    write_skipped(queries, [*mine, again])
    assert len(summary_lines(results, WITHOUT)) == 5
    of_others = "kept by another program: @eaDir"
    thumbnails = [Skipped(None, f"{n}/@eaDir/", of_others, False, 700) for n in range(2)]
    broken = [Skipped(n, f"{n}.jpg", f"cannot be decoded: at byte {n}") for n in range(3)]
    write_skipped(pictures, [*thumbnails, *broken, Skipped(7, "7.jpg", "the file is empty")])
    write_skipped(detections, [Skipped(8, "8.jpg", "too thin: 1 x 1400")])
    lines = summary_lines(results, WITHOUT, own_queries=True)
    assert lines[4:-1] == [
        "Left out  5 pictures: cannot be decoded (3); the file is empty (1); too thin (1)",
        "          not counted as pictures of the set: kept by another program (1,400): @eaDir",
        "          no query from your own a.jpg, b.jpg, c.jpg, d.jpg, e.jpg and 2 more; listed in"
        f" {pictures} and {detections} and {queries}",
    ]
    assert lines[-1].startswith("Report    ")
    detections.write_bytes(b"\xff")
    assert summary_lines(results, WITHOUT)[4].startswith(
        "Left out  not known (UnicodeDecodeError: "
    )


def test_hundreds_of_reasons_are_one_line() -> None:
    bad = [Skipped(n, f"{n}.jpg", f"\x1b[2J reason {n}\n: more", files=n) for n in range(1, 101)]
    [line] = left_out_lines(bad)
    assert line.startswith("5,050 pictures: \\x1b[2J reason 100\\n (100); \\x1b[2J reason 99")
    assert line.endswith("; \\x1b[2J reason 93\\n (93); other reasons (4,278)")


def test_nothing_at_all_is_no_failure(tmp_path: Path) -> None:
    lines = summary_lines(tmp_path / "nowhere", MINITRAIN)
    assert len(lines) == 5 and all("not known" in line for line in lines)
