"""The user's own pictures as queries, in a whole run over the demo's results."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from page_text import page_of
from running import Workspace, demo_config
from visualsearch.data.skipped import read_skipped


def test_own_pictures_without_a_person_whole_and_with_a_box(
    demo: Workspace, tmp_path: Path
) -> None:
    """A run in which none gives a query stops; then one picture is given that does."""
    folder = tmp_path / "own"
    workspace = demo.copy(folder, demo_config(queries={"images": ["nobody.png", "me #1.jpg"]}))
    Image.new("RGB", (200, 150), "white").save(folder / "nobody.png")
    (folder / "me #1.jpg").write_bytes(b"no picture")
    said = workspace.run(fails=True).splitlines()
    [line] = [line for line in said if line.startswith("ERROR: ")]
    assert line.startswith("ERROR: queries.images: no picture gives a query. nobody.png: no person")
    assert "the best has 0.06 and 137 px; lower search_set.min_score, give its box" in line
    assert ". me #1.jpg: not a picture" in line and "Traceback" not in "\n".join(said)
    assert not any(line.startswith("Report") for line in said)

    manifest = pq.read_table(workspace.results / "dataset/manifest.parquet").to_pylist()
    (in_set,) = [row for row in manifest if row["file"] == "P001/amateur_selfie.jpg"]
    source = workspace.results / "dataset/images" / in_set["file"]
    (folder / "me #1.jpg").write_bytes(source.read_bytes())
    images = ["nobody.png", "me #1.jpg", "me #1.jpg", "me #1.jpg#xywh=percent:20,20,60,60"]
    workspace.config["queries"] = {"images": images, "count": 1}
    said = workspace.run().splitlines()
    # The results of the stages before are still there.
    assert not any("Embedding, shard" in line for line in said)
    warnings = [line for line in said if line.startswith("WARNING: queries.images: ")]
    assert [line.split(": ")[2] for line in warnings] == ["nobody.png", "me #1.jpg"]
    assert warnings[1].endswith("given 2 times; it is used once")
    [left_out] = [line for line in said if line.startswith("Left out")]
    assert "no query from your own nobody.png; listed in" in left_out
    skipped = read_skipped(workspace.results / "search/skipped_query_images.tsv")
    assert sorted(entry.file for entry in skipped) == ["me #1.jpg", "nobody.png"]

    queries = pq.read_table(workspace.results / "search/queries.parquet").to_pylist()
    assert [query["image_id"] for query in queries[:2]] == [in_set["image_id"]] * 2
    assert [query["score"] is None for query in queries] == [False, True, False]
    hits = pq.read_table(workspace.results / "search/hits.parquet")
    of_own = hits.filter(pc.less(hits["query"], 2))
    # As for any query, the persons of its own picture are left out.
    assert len(of_own) == 20 and in_set["image_id"] not in of_own["image_id"].to_pylist()
    page = page_of(workspace.results / "report")
    assert "your own picture, box by hand; the picture is in the set" in page.words
    assert page.data("large-views")[1][0]["score"] is None
    markdown = (workspace.results / "report/report.md").read_text(encoding="utf-8")
    assert "me #1.jpg: your own picture, box by hand" in markdown.replace("\\", "")
