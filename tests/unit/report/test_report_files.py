"""The report's files: whole, safe whatever pictures are called, and the same bytes again."""

import base64
import csv
import dataclasses
import hashlib
import re
from pathlib import Path

import pandas
import pytest

from page_text import Page
from report_inputs import BOX, HOSTILE, HOSTILE_LABEL, OWN
from report_run import Run
from running import CLOCK
from visualsearch.data.tables import BOX_COLUMNS, read_table
from visualsearch.report.sections import provenance
from visualsearch.web.pages import ICON

TITLE = {"title": "<b>Title</b> & more", "thumbnail_height": 64}


def test_hostile_names_stay_text_in_the_page(page: Page) -> None:
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("href", "src"):
            value = attrs.get(name, "#")
            allowed = ("#", "data:image/jpeg", "http://", "https://")
            assert value.startswith(allowed) or (tag, value) == ("link", ICON), value
    assert {tag for tag, _ in page.elements}.isdisjoint({"b onclick", "iframe", "object", "base"})
    assert not [a for a in page.all("img") if a.get("src") == "x"]
    text = "".join(page.words)
    for name in HOSTILE:
        assert name in text
    assert HOSTILE_LABEL in text
    assert "<b>Title</b> & more" in text
    assert OWN in text and "<u>.png" in text
    assert list(page.all("i")) and all(set(attrs) == {"style"} for attrs in page.all("i"))


def test_only_the_own_script_may_run(page: Page) -> None:
    kinds = [attrs.get("type") for attrs, _ in page.scripts]
    assert sorted(filter(None, kinds)) == ["application/json"] * 3
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    digests = []
    for attrs, text in page.scripts:
        if attrs.get("type"):
            assert not set("<>&") & set(text), attrs
        else:
            digests.append(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
    assert policy is not None and digests
    assert "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests) in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_page_needs_no_other_file(report: Path, page: Page) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    assert list(page.all("link")) == [{"rel": "icon", "href": ICON}]
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)|\bfetch\(|XMLHttpRequest", text)
    for attrs in page.all("img"):
        assert attrs.get("src", "data:").startswith("data:")


def test_ids_are_unique(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = {f"#{name}" for name in ids}
    inside = {attrs["href"] for _, attrs in page.elements if attrs.get("href", "").startswith("#")}
    assert inside <= named


def test_sections_come_in_the_same_order_in_both(report: Path) -> None:
    order = (
        "Galleries",
        "What was asked, and where it is",
        "How good it is",
        "How it was made",
        "What it does not show",
        "Licences of the pictures",
        "Provenance",
    )
    html = (report / "index.html").read_text(encoding="utf-8")
    markdown = (report / "report.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r'<h2 id="[\w-]+-title">(.*?)</h2>', html)) == order
    assert tuple(re.findall(r"^## (.*)$", markdown, re.M)) == ("Summary", *order)


def test_second_run_gives_the_same_bytes(run: Run, report: Path, tmp_path: Path) -> None:
    other = run.report(tmp_path)
    files = sorted(p.relative_to(report) for p in report.rglob("*") if p.is_file())
    assert [str(f) for f in files if f.parts[0] == "figures"] == [
        "figures/components.svg",
        "figures/explained_variance.svg",
        "figures/in_common.svg",
        "figures/overview.jpg",
        "figures/precision_recall.svg",
        "figures/query-001.jpg",
        "figures/query-002.jpg",
        "figures/query-003.jpg",
    ]
    for file in files:
        assert (report / file).read_bytes() == (other / file).read_bytes(), file


def test_report_does_not_depend_on_how_the_run_went(run: Run) -> None:
    plain = provenance.configuration_yaml(run.results())
    given = run.settings()
    other = dataclasses.replace(
        given,
        shards=99,
        dataset=dataclasses.replace(given.dataset, connections=3),
        detector=dataclasses.replace(given.detector, device="cpu"),
    )
    assert provenance.configuration_yaml(run.results(settings=other)) == plain
    assert "n_components: 6" in plain and "size: [256, 128]" in plain
    assert "annotations_sha256" not in plain


def test_markdown_keeps_its_tables_and_links(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (report / figure).is_file()
    assert text.count("](figures/") == 8
    columns = 0
    for line in text.splitlines():
        here = len(re.split(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (columns and here) or here == columns, line
        columns = here
    outside = re.sub(r"```.*?```|<!-- /?may differ -->", "", text, flags=re.S)
    tags = set(re.findall(r"(?<!\\)<(?!https?:|#)/?(\w+)", outside))
    assert tags == {"details", "summary"}
    assert "](<javascript" not in text and "](javascript" not in outside.replace("\\]", "")
    assert "\\<b\\>Title\\</b\\> &amp; more" in text


def test_all_hits_lie_in_the_page(report: Path, page: Page) -> None:
    downloads = page.data("downloads")
    assert downloads["csv"].encode() == (report / "hits.csv").read_bytes()
    rows = downloads["rows"]
    with (report / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(rows) == len(table) == 30
    for values, line in zip(rows, table, strict=True):
        assert values["person_id"] == int(line["person_id"])
        assert values["near_duplicate"] is (line["near_duplicate"] == "yes")
        assert values["labels"] == {"view": line["label_view"].removeprefix("'")} or (
            values["labels"]["view"] == HOSTILE_LABEL
        )
    # A value is what it is; only a spreadsheet's cell is made safe.
    assert HOSTILE[1] in {row["file"] for row in rows}


def test_hits_csv_is_safe_and_whole(run: Run, report: Path) -> None:
    with (report / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    hits = read_table(run.folder / "hits.parquet").to_pylist()
    assert len(rows) == len(hits)
    for row, hit in zip(rows, hits, strict=True):
        assert int(row["query"]) == hit["query"] + 1
        assert int(row["person_id"]) == hit["person_id"]
        assert float(row["similarity"]) == pytest.approx(hit["similarity"], abs=1e-6)
        assert [float(row[name]) for name in BOX_COLUMNS] == list(BOX)
    assert any(float(row["similarity"]) < 0 for row in rows)
    named = {row["file"] for row in rows}
    assert "'" + HOSTILE[1] in named and HOSTILE[3] in named
    text = [row[key] for row in rows for key in row if key != "similarity"]
    assert not [value for value in text if value.startswith(("=", "+", "-", "@"))]


def test_hits_csv_opens_right_in_a_spreadsheet(report: Path) -> None:
    data = (report / "hits.csv").read_bytes()
    # Excel takes a file without the mark for one in the machine's own old encoding.
    assert data.startswith(b'\xef\xbb\xbf"query",') and data.count(b"\xef\xbb\xbf") == 1
    lines = data.decode("utf-8-sig").split("\r\n")
    assert lines[-1] == "" and not any("\r" in line for line in lines)
    for row in csv.DictReader(lines, strict=True):
        assert None not in row and None not in row.values()
        for name in ("query_person_id", "person_id", "image_id"):
            assert len(row[name]) <= 15
    columns = pandas.read_csv(report / "hits.csv").dtypes
    assert columns.index[0] == "query" and columns["person_id"] == "int64"


@pytest.mark.parametrize("backend", ["annoy", "exact"])
def test_the_clock_is_told_in_marked_places(
    reranked: Run, run: Run, backend: str, tmp_path: Path
) -> None:
    """Cut them out, and the report is the one without times, byte for byte."""
    made = reranked if backend == "annoy" else run
    with_times = made.report(tmp_path / "with")
    without = made.report(tmp_path / "without", timings=False, report={**TITLE, "timings": False})
    for name in ("index.html", "light.html", "report.md"):
        text = (with_times / name).read_text(encoding="utf-8")
        parts = [part.replace("\u00a0", " ") for part in CLOCK.findall(text)]
        assert len(parts) == 2
        assert "ms a query" in parts[-2] and "not measured" in parts[-2]
        assert "Time and memory of each step" in parts[-1] and "2 min 31 s" in parts[-1]
        rest = CLOCK.sub("", text)
        # Markdown ends with such a part.
        assert rest.rstrip() == (without / name).read_text(encoding="utf-8").rstrip(), name
        assert "ms a query" not in rest and "memory of" not in rest
    drawn = [{p.name for p in (out / "figures").iterdir()} for out in (with_times, without)]
    assert drawn[0] == drawn[1]
    assert ("index_work.svg" in str(list((without / "figures").iterdir()))) == (backend == "annoy")
