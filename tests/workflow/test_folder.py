"""A folder of one's own pictures: real COCO images with annotations, and bad ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from running import Workspace
from visualsearch.data.skipped import read_skipped
from visualsearch.evaluate.detections import evaluate_detections

# In fp32, for the same boxes on every machine.
BUNDLED = {"name": "ssdlite_mobilenet_v2_person", "precision": "fp32"}


def folder_config(path: Path, annotations: Path | None = None, **sections: object) -> dict:
    return {
        "shards": 2,
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
    config = folder_config(coco_sample / "images", coco_sample / "instances.json")
    config["dataset"]["folder"]["keypoints"] = str(coco_sample / "person_keypoints.json")
    workspace = Workspace(tmp_path_factory.mktemp("sample"), config)
    workspace.run()
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


def test_own_pictures_as_queries(sample: Workspace, coco_sample: Path, tmp_path: Path) -> None:
    """A copy of a picture of the set, in other bytes or saved again, finds that picture's person
    first and as a near-duplicate. The same bytes are that picture, whose persons are left out;
    others say why they give no query."""
    images = ["mine é.jpg", "again.jpg", "same.jpg", "nobody.png", "broken.jpg"]
    own = sample.config | {"queries": {"images": images, "count": 1, "boxes": "all"}}
    workspace = sample.copy(tmp_path / "own", own)
    content = (coco_sample / "images/000000005001.jpg").read_bytes()
    (tmp_path / "own/mine é.jpg").write_bytes(content + b"\0")
    (tmp_path / "own/same.jpg").write_bytes(content)
    with Image.open(coco_sample / "images/000000005001.jpg") as image:
        image.save(tmp_path / "own/again.jpg", quality=90)
    Image.new("RGB", (200, 200), "white").save(tmp_path / "own/nobody.png")
    (tmp_path / "own/broken.jpg").write_bytes(b"no picture")
    after = {"select_queries", "search_persons", "evaluate_galleries", "render_report"}
    assert workspace.planned() == {"embed_query_images", *after}
    workspace.run()
    queries = pq.read_table(workspace.results / "search/queries.parquet").to_pylist()
    hits = pq.read_table(workspace.results / "search/hits.parquet").to_pylist()
    own = [query for query in queries if query["picture"] == "mine é.jpg"]
    same = [query for query in queries if query["picture"] == "same.jpg"]
    again = [query for query in queries if query["picture"] == "again.jpg"]
    assert len(own) == len(same) > 1 and again
    assert len(queries) == 2 * len(own) + len(again) + 1
    for query in own + again:
        first, *others = (hit for hit in hits if hit["query"] == query["query"])
        assert first["image_id"] == 5001 and first["near_duplicate"]
        assert first["similarity"] > (0.999 if query in own else 0.9)
        assert not any(hit["near_duplicate"] for hit in others)
    for query in same:
        of_same = [hit["image_id"] for hit in hits if hit["query"] == query["query"]]
        assert query["image_id"] == 5001 and len(of_same) == 10 and 5001 not in of_same
    skipped = read_skipped(workspace.results / "search/skipped_query_images.tsv")
    assert {entry.file for entry in skipped} == {"nobody.png", "broken.jpg"}
    page = (workspace.results / "report/index.html").read_text(encoding="utf-8")
    assert "nobody.png" in page and "mine é.jpg" in page


def made_pictures(folder: Path, coco_sample: Path) -> None:
    """Real pictures in odd forms that must work, and files that must be skipped."""
    folder.mkdir()
    names = ["000000005001", "000000064523", "000000000790", "000000544238"]
    for name in names:
        shutil.copy(coco_sample / f"images/{name}.jpg", folder)
    image = Image.open(coco_sample / "images/000000547503.jpg")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("L").save(folder / "grey.jpg")
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "sixteen bits.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(folder / "turned.jpg", exif=exif)
    (folder / "unter ordner").mkdir()
    image.save(folder / "unter ordner/Ñandú 人.JPEG", format="JPEG")
    Image.new("RGB", (300, 200), "green").save(folder / "nobody.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is no picture")
    whole = (coco_sample / "images/000000005001.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])


def test_odd_pictures_work_and_bad_ones_are_skipped(coco_sample: Path, tmp_path: Path) -> None:
    """And a picture that is added later is noticed."""
    made_pictures(tmp_path / "pictures", coco_sample)
    config = folder_config(tmp_path / "pictures")
    config["dataset"]["max_skipped_fraction"] = 0.5
    workspace = Workspace(tmp_path / "run", config | {"shards": 1})
    output = workspace.run("search")
    assert "Traceback" not in output
    skipped = {e.file: e.reason for e in read_skipped(workspace.results / "dataset/skipped.tsv")}
    assert skipped.keys() == {"empty.jpg", "text.jpg", "cut.jpg"}
    manifest = pq.read_table(workspace.results / "dataset/manifest.parquet").to_pylist()
    files = {row["file"]: row for row in manifest}
    assert "unter ordner/Ñandú 人.JPEG" in files and "nobody.png" in files
    persons = pq.read_table(workspace.results / "index/persons.parquet").to_pylist()
    with_persons = {person["image_id"] for person in persons}
    for name in ("cmyk.jpg", "grey.jpg", "sixteen bits.png", "turned.jpg"):
        assert files[name]["image_id"] in with_persons, name
    assert files["nobody.png"]["image_id"] not in with_persons
    # A turned picture is seen upright: its persons are as tall as in the one not turned.
    upright, turned = (
        [p["h"] for p in persons if p["image_id"] == files[name]["image_id"] and p["det_index"] < 2]
        for name in ("unter ordner/Ñandú 人.JPEG", "turned.jpg")
    )
    assert turned == pytest.approx(upright, rel=0.1)
    assert "evaluate_detections" not in workspace.planned("evaluate")

    assert workspace.planned("fetch") == set()
    shutil.copy(coco_sample / "images/000000005802.jpg", tmp_path / "pictures")
    assert "fetch_annotations" in workspace.planned("fetch")
    workspace.run("fetch")
    assert len(pq.read_table(workspace.results / "dataset/manifest.parquet")) == len(files) + 1


def test_annotations_of_absent_images(coco_sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(coco_sample / "images/000000005001.jpg", folder)
    config = folder_config(folder, coco_sample / "instances.json")
    workspace = Workspace(tmp_path / "run", config | {"shards": 1})
    output = workspace.run("fetch", fails=True)
    (line,) = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    assert "139 of 140 pictures were left out" in line and "max_skipped_fraction" in line
    assert "Traceback" not in output
    config["dataset"]["max_skipped_fraction"] = 1
    evaluation = "results/test/evaluation/detections.json"
    workspace.run(evaluation)
    assert json.loads((workspace.folder / evaluation).read_text())["images"] == 1


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
