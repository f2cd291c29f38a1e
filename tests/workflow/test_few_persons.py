"""Few persons or nobody through the whole workflow: a report that says so, and never a crash."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from running import Workspace, demo_config

LISTED_IN = "results/test/dataset/skipped.tsv"


def finished(workspace: Workspace) -> tuple[str, dict[str, str]]:
    """Run it; what the terminal showed and what the report says."""
    output = workspace.run()
    assert "Traceback" not in output and "ERROR" not in output
    folder = workspace.results / "report"
    pages = {
        name: (folder / name).read_text(encoding="utf-8") for name in ("index.html", "report.md")
    }
    assert pages["index.html"].rstrip().endswith("</html>")
    assert len((folder / "light.html").read_text(encoding="utf-8")) > 10_000
    return output, pages


def persons_of(workspace: Workspace) -> int:
    return len(pq.read_table(workspace.results / "index/persons.parquet"))


def nobody(folder: Path, shards: int) -> Workspace:
    (folder / "pictures").mkdir()
    Image.new("RGB", (300, 300), "white").save(folder / "pictures/white.png")
    dataset = {"source": "folder", "folder": {"path": "../pictures"}}
    config = demo_config(dataset=dataset, report={"explorer": True}, shards=shards)
    return Workspace(folder / "run", config)


def test_nobody(tmp_path: Path) -> None:
    """In a folder that also holds what a NAS, a camera and a broken drive leave there."""
    workspace = nobody(tmp_path, shards=1)
    thumbnail = tmp_path / "pictures/@eaDir/white.png/SYNOPHOTO_THUMB_XL.jpg"
    thumbnail.parent.mkdir(parents=True)
    Image.new("RGB", (30, 30)).save(thumbnail)
    for name in ("IMG_1.CR3", "IMG_2.CR3", "cut.jpg"):
        (tmp_path / "pictures" / name).write_bytes(b"no picture that is read")
    output, pages = finished(workspace)
    lines = output.splitlines()
    [said] = [n for n, line in enumerate(lines) if line.startswith("Left out  ")]
    assert lines[said].startswith("Left out  1 picture: not a picture")
    assert lines[said + 1] == (
        "          not counted as pictures of the set: not read, convert it to JPEG (2): .cr3;"
        f" kept by another program (1): @eaDir; listed in {LISTED_IN}"
    )
    for text in pages.values():
        assert "not read, convert it to JPEG: .cr3" in text
    # The next start has nothing to do, whatever the NAS added.
    Image.new("RGB", (20, 20)).save(thumbnail.with_name("SYNOPHOTO_THUMB_S.jpg"))
    assert workspace.planned() == set()
    assert "a search needs at least 2; lower search_set.min_score" in output
    assert "Found     0 persons, in 0 of 1 pictures" in output
    assert "Recall    not known: nobody has a neighbour in another picture" in output
    assert "Galleries 0 queries, 0 neighbours" in output
    for text in pages.values():
        assert "No persons to search among: in 1 picture, " in text
        assert "Beneath each neighbour" not in text and "Open any of them" not in text
    assert (workspace.results / "report/hits.csv").read_text().count("\n") == 1
    assert "Explore all persons" in pages["index.html"]
    assert (workspace.results / "report/explorer/index.html").is_file()


@pytest.mark.torture
def test_nobody_in_fewer_pictures_than_shards(tmp_path: Path) -> None:
    workspace = nobody(tmp_path, shards=3)
    finished(workspace)
    workspace.config["report"]["explorer"] = False
    assert workspace.planned() == {"render_report"}
    workspace.run("--report", "all.html")
    assert "explained_variance.svg" in (workspace.folder / "all.html").read_text(encoding="utf-8")


@pytest.mark.torture
@pytest.mark.parametrize(("backend", "explorer"), [("annoy", False), ("faiss", True)])
def test_nobody_whatever_the_settings(tmp_path: Path, backend: str, explorer: bool) -> None:
    """Detections, none of which is in the search set."""
    config = demo_config(
        dataset={"max_images": 1},
        search_set={"min_height": 1e9},
        index={"backend": backend},
        report={"explorer": explorer},
        search={"rerank": 100},
    )
    _, pages = finished(Workspace(tmp_path, config))
    for text in pages.values():
        assert "none has a score of 0.7 or more and a height of 1e+09 px or more." in text


@pytest.mark.torture
@pytest.mark.parametrize(("persons", "backend"), [(1, "annoy"), (2, "faiss")])
def test_one_and_two(tmp_path: Path, persons: int, backend: str) -> None:
    """Fewer than components, neighbours, queries and shards ask for."""
    config = demo_config(
        dataset={"max_images": persons},
        search_set={"min_score": 0.9, "min_height": 300},
        index={"backend": backend},
        report={"explorer": True},
        shards=5,
    )
    workspace = Workspace(tmp_path, config)
    output, pages = finished(workspace)
    assert persons_of(workspace) == persons
    hits = pq.read_table(workspace.results / "search/hits.parquet")
    assert len(hits) == persons * (persons - 1)
    assert f"Found     {'1 person' if persons == 1 else '2 persons'}, in" in output
    assert f"only {persons} of 5 queries, because there are no more persons" in output
    said = "A single person has no neighbours" if persons == 1 else "2 persons allow no more"
    for text in pages.values():
        assert said in text
