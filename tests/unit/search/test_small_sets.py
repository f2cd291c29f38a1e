"""Nobody, one person, two: everything after embedding runs, and the report says what there is."""

import re
from pathlib import Path

import pytest

from blocks_text import text_of
from report_run import Run
from visualsearch.core.files import read_json
from visualsearch.data.tables import read_table
from visualsearch.index.opening import open_index
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.describing import no_neighbours
from visualsearch.report.sections import summary
from visualsearch.search.everyone import exact_index, search_everyone
from visualsearch.search.full_length import FullLength
from visualsearch.search.map import write_map
from visualsearch.search.near_duplicates import NearDuplicates


def texts(run: Run, out: Path, annotated: bool = False) -> dict[str, str]:
    """The report's pages as a reader sees them: without what is for the script."""
    run.report(out, annotated=annotated)
    pages = {name: (out / name).read_text(encoding="utf-8") for name in ("index.html", "report.md")}
    assert pages["index.html"].rstrip().endswith("</html>")
    assert pages["report.md"].rstrip().endswith("<!-- /may differ -->")
    pages["index.html"] = re.sub(r"<script.*?</script>", "", pages["index.html"], flags=re.DOTALL)
    for name, text in pages.items():
        assert not re.search(r"\b(nan|inf|None)\b", text), name
    return pages


def test_nobody(tmp_path: Path) -> None:
    run = Run(tmp_path, "annoy", rerank=20, persons=0)
    for text in texts(run, tmp_path / "report").values():
        text = text.replace("\\_", "_")
        assert "No persons to search among: in 14 pictures, the detector found none; give" in text
        assert "There is nobody to show." in text
        assert "Nobody was there to search for, so nothing was measured." in text
        assert "The search set holds nobody else." in text  # of the user's own picture
        assert "variance explained" not in text.lower() and "By the clock" not in text
    sidecar = read_json(tmp_path / "index.json")
    index = open_index(tmp_path / "persons.index", sidecar)
    assert len(index) == 0 and sidecar["recall"]["persons_sampled"] == 0
    # Without a query of the user's own there is no figure at all, but their folder.
    out = run.report(tmp_path / "bare", annotated=False, files=run.files_without_queries(tmp_path))
    assert (out / "figures").is_dir()
    explorer(run)


def test_nobody_tall_or_sure_enough(tmp_path: Path) -> None:
    """There are detections, and none is in the search set."""
    run = Run(tmp_path, persons=0)
    (tmp_path / "persons.json").write_text('[\n{"image_id": 1},\n{"image_id": 1}\n]\n')
    results = run.results()
    assert (
        "No persons to search among: in 14 pictures, none of 2 detections has a score of 0.7 or "
        "more and a height of 48 px or more; lower search_set.min_score or search_set.min_height, "
    ) in text_of(summary.blocks(results))


def test_one_person(tmp_path: Path) -> None:
    run = Run(tmp_path, "annoy", rerank=20, persons=1)
    for text in texts(run, tmp_path / "report", annotated=True).values():
        text = text.replace("\\_", "_")
        assert "A single person has no neighbours: lower" in text
        assert "The search set holds nobody else." in text
        assert "and needs two persons." in text
    explorer(run)


@pytest.mark.parametrize("backend", ["annoy", pytest.param("faiss", marks=pytest.mark.torture)])
def test_two_persons(tmp_path: Path, backend: str) -> None:
    run = Run(tmp_path, backend, rerank=20, persons=2)
    assert run.reduction.n_components == 1
    for text in texts(run, tmp_path / "report").values():
        assert "2 persons allow no more" in text and "their cosine is −1." in text
    # The user's own picture finds both, and each of the queries the other.
    hits = read_table(tmp_path / "hits.parquet")
    assert hits["query"].to_pylist() == [0, 0, 1]
    explorer(run)


def test_why_nobody_is_near(tmp_path: Path) -> None:
    run = Run(tmp_path, persons=2)
    for search, why in (
        ({"same_image": False}, "in another picture"),
        ({"exclude_near_duplicates": True}, "in another picture and no near-duplicate"),
        ({"same_image": True, "exclude_near_duplicates": True}, "no near-duplicate"),
    ):
        results = run.results(search=search)
        assert no_neighbours(results) == f"Nothing else in the search set is {why}."


def explorer(run: Run) -> None:
    """What the explorer asks of an index, for everybody there is."""
    reduced = str(run.folder / "reduced.parquet")
    index = open_index(run.folder / "persons.index", read_json(run.folder / "index.json"))
    persons = read_table(run.folder / "persons.parquet")
    full_length = FullLength.load(
        [str(run.folder / "embeddings.parquet")], str(run.folder / "model.npz")
    )
    settings = run.settings().search
    reduction = Reduction.load(run.folder / "model.npz")
    for one in (index, exact_index([reduced])):
        few = NearDuplicates(full_length, reduction, one, settings.near_duplicate)
        found = list(search_everyone(one, persons, reduced, settings, 30, few))
        lengths = [len(row) for table in found for row in table["neighbours"].to_pylist()]
        assert lengths == [max(run.persons - 1, 0)] * run.persons
    write_map(run.folder / "map.parquet", [reduced], "tsne")
    assert len(read_table(run.folder / "map.parquet")) == run.persons
