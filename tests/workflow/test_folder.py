"""A folder of one's own pictures: real COCO images with annotations, and own ones as queries."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from page_text import page_of
from running import Workspace
from visualsearch.data.skipped import read_skipped
from visualsearch.evaluate.detections import evaluate_detections

# In fp32, for the same boxes on every machine.
BUNDLED = {"name": "ssdlite_mobilenet_v2_person", "precision": "fp32"}


def folder_config(path: Path, annotations: Path | None = None, **sections: object) -> dict:
    return {
        "shards": 1,
        "dataset": {
            "source": "folder",
            "folder": {"path": str(path), "annotations": str(annotations) if annotations else None},
        },
        "detector": BUNDLED,
        "search_set": {"min_score": 0.5, "min_height": 48},
        "reduction": {"n_components": 64},
        **sections,
    }


@pytest.fixture(scope="module")
def sample(coco_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The real pictures with their annotations, and pictures of the user's own as queries."""
    folder = tmp_path_factory.mktemp("sample")
    content = (coco_sample / "images/000000005001.jpg").read_bytes()
    (folder / "mine é.jpg").write_bytes(content + b"\0")
    (folder / "same #1.jpg").write_bytes(content)
    with Image.open(coco_sample / "images/000000005001.jpg") as image:
        image.save(folder / "again.jpg", quality=90)
    Image.new("RGB", (200, 200), "white").save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    config = folder_config(coco_sample / "images", coco_sample / "instances.json")
    config["dataset"]["folder"]["keypoints"] = str(coco_sample / "person_keypoints.json")
    images = ["mine é.jpg", "again.jpg", "same #1.jpg", "nobody.png", "broken.jpg"]
    images += ["same #1.jpg", "same #1.jpg#xywh=percent:20,20,60,60"]
    config["queries"] = {"images": images, "count": 1, "boxes": "all"}
    workspace = Workspace(folder, config)
    workspace.printed = workspace.run()
    return workspace


def test_person_ap_is_that_of_the_reference(sample: Workspace, shared: Path) -> None:
    numbers = json.loads((sample.results / "evaluation/detections.json").read_text())
    assert numbers["images"] == 140 and numbers["annotated"] == 498
    assert numbers["annotated_crowds"] == 13
    assert numbers["boxes_outside"] == 0 and numbers["AP_note"] is None
    image_ids = pq.read_table(sample.results / "dataset/manifest.parquet")["image_id"].to_pylist()
    for name in ("full", "bilinear"):  # the original graph's two ways to resize
        results = shared / f"ssdlite-reference/coco_sample_results_{name}.json"
        annotations = shared / "coco-sample/instances.json"
        reference, _ = evaluate_detections(annotations, results, "person", image_ids)
        assert numbers["AP"] == pytest.approx(reference["AP"], abs=0.005), name


def test_poses_and_surroundings_of_neighbours_are_measured(sample: Workspace) -> None:
    measured = json.loads((sample.results / "evaluation/search.json").read_text())
    persons = len(pq.read_table(sample.results / "index/persons.parquet"))
    for name in ("pose", "context"):
        found = measured["measures"][name]
        # Those that an annotation was found for, and of these those with keypoints.
        assert 0.4 * persons < found["persons"] < persons
        low, _ = found["lift_interval"]
        assert low > 0, name
        assert sum(stratum["persons"] for stratum in found["by_height"]) == found["persons"]
    page = (sample.results / "report/index.html").read_text(encoding="utf-8")
    assert "pose" in page and "context" in page


def test_every_picture_is_in_the_manifest_with_its_licence(sample: Workspace) -> None:
    manifest = pq.read_table(sample.results / "dataset/manifest.parquet")
    assert len(manifest) == 140 and manifest["license_id"].null_count == 0
    assert read_skipped(sample.results / "dataset/skipped.tsv") == []


def test_own_pictures_as_queries(sample: Workspace) -> None:
    """A copy of a picture of the set, in other bytes or saved again, finds that picture's person
    first and as a near-duplicate. The same bytes are that picture, whose persons are left out."""
    queries = pq.read_table(sample.results / "search/queries.parquet").to_pylist()
    hits = pq.read_table(sample.results / "search/hits.parquet").to_pylist()
    own = [query for query in queries if query["picture"] == "mine é.jpg"]
    *same, by_hand = [query for query in queries if query["picture"] == "same #1.jpg"]
    again = [query for query in queries if query["picture"] == "again.jpg"]
    assert len(own) == len(same) > 1 and again
    assert len(queries) == 2 * len(own) + len(again) + 2
    assert [query for query in queries if query["score"] is None] == [by_hand]
    for query in own + again:
        first, *others = (hit for hit in hits if hit["query"] == query["query"])
        assert first["image_id"] == 5001 and first["near_duplicate"]
        assert first["similarity"] > (0.999 if query in own else 0.9)
        assert not any(hit["near_duplicate"] for hit in others)
    for query in [*same, by_hand]:
        of_same = [hit["image_id"] for hit in hits if hit["query"] == query["query"]]
        assert query["image_id"] == 5001 and len(of_same) == 10 and 5001 not in of_same
    page = page_of(sample.results / "report")
    assert "your own picture, box by hand; the picture is in the set" in page.words
    assert page.data("large-views")[by_hand["query"]][0]["score"] is None
    text = (sample.results / "report/index.html").read_text(encoding="utf-8")
    assert "nobody.png" in text and "mine é.jpg" in text
    markdown = (sample.results / "report/report.md").read_text(encoding="utf-8")
    assert "\nYour own picture, box by hand; the picture is in the set." in markdown
    assert "| same #1.jpg |" in markdown.replace("\\", "")


def test_own_pictures_that_give_no_query_are_named_with_their_reason(sample: Workspace) -> None:
    lines = sample.printed.splitlines()
    warnings = [line for line in lines if line.startswith("WARNING: queries.images: ")]
    named = sorted(line.split(": ")[2] for line in warnings)
    assert named == ["broken.jpg", "nobody.png", "same #1.jpg"]
    [twice] = [line for line in warnings if "same #1.jpg" in line]
    assert twice.endswith("given 2 times; it is used once")
    [left_out] = [line for line in lines if line.startswith("Left out")]
    assert "no query from your own broken.jpg, nobody.png; listed in" in left_out
    skipped = read_skipped(sample.results / "search/skipped_query_images.tsv")
    assert {entry.file for entry in skipped} == {"nobody.png", "broken.jpg", "same #1.jpg"}


def test_other_own_pictures_compute_no_earlier_stage(sample: Workspace) -> None:
    other = sample.config | {"queries": {"images": ["again.jpg"], "count": 1, "boxes": "all"}}
    after = {"select_queries", "search_persons", "evaluate_galleries", "render_report"}
    assert Workspace(sample.folder, other).planned() == {"embed_query_images", *after}


def test_annotations_of_absent_images(coco_sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(coco_sample / "images/000000005001.jpg", folder)
    config = folder_config(folder, coco_sample / "instances.json")
    workspace = Workspace(tmp_path / "run", config)
    output = workspace.run("fetch", fails=True)
    (line,) = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    assert "139 of 140 pictures were left out" in line and "max_skipped_fraction" in line
    assert "Traceback" not in output
    config["dataset"]["max_skipped_fraction"] = 1
    workspace.run("fetch")
    annotations = json.loads((workspace.results / "dataset/annotations.json").read_text())
    assert [image["id"] for image in annotations["images"]] == [5001]
    assert {entry["image_id"] for entry in annotations["annotations"]} == {5001}


def test_annotations_of_other_pictures_are_one_clear_line(
    coco_sample: Path, tmp_path: Path
) -> None:
    """With the reason and a name of both sides. The log of the failed job lists every one."""
    (tmp_path / "pictures/mine").mkdir(parents=True)
    shutil.copy(coco_sample / "images/000000005001.jpg", tmp_path / "pictures/mine/me.jpg")
    config = folder_config(tmp_path / "pictures", coco_sample / "instances.json")
    workspace = Workspace(tmp_path / "run", config)
    output = workspace.run("fetch", fails=True)
    (line,) = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    assert "no picture is left of the 140 that" in line and "Traceback" not in output
    assert "named in the annotations, not in the folder (140)" in line
    assert "The annotations name 0000" in line and "the folder has mine/me.jpg" in line
    log = workspace.results / "logs/fetch_annotations.log"
    assert str(log.relative_to(workspace.folder)) in line
    assert log.read_text().count("left out: ") == 141


@pytest.mark.parametrize(
    ("content", "target", "line"),
    [({}, "fetch", "no picture"), ({"a.jpg": b""}, "fetch", "no usable picture is left")],
)
def test_nothing_to_work_on_is_one_clear_line(
    content: dict[str, bytes], target: str, line: str, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    output = Workspace(tmp_path / "run", folder_config(folder)).run(target, fails=True)
    errors = [text for text in output.splitlines() if text.startswith("ERROR: ")]
    assert len(errors) == 1 and line in errors[0]
    assert "Traceback" not in output


def test_wrong_configuration_stops_before_anything_runs(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, folder_config(tmp_path / "absent") | {"shard": 3})
    output = workspace.run(fails=True)
    assert "shard: unknown key; allowed here: " in output
    assert "Traceback" not in output and not workspace.results.exists()
