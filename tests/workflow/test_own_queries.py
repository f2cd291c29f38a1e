"""The user's own pictures as queries, over the demo's results; test_folder.py has a whole run."""

from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from running import Workspace, demo_config


def test_a_run_in_which_no_picture_gives_a_query_stops(demo: Workspace, tmp_path: Path) -> None:
    """What was computed stays; then one picture is given that does."""
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

    picture = workspace.results / "dataset/images/P001/amateur_selfie.jpg"
    (folder / "me #1.jpg").write_bytes(picture.read_bytes())
    said = workspace.run("search").splitlines()
    assert not any("Embedding, shard" in line for line in said)
    queries = pq.read_table(workspace.results / "search/queries.parquet").to_pylist()
    # Of a picture its surest person.
    assert [query["picture"] for query in queries if query["picture"]] == ["me #1.jpg"]
