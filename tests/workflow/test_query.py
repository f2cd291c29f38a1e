"""`visualsearch query`: one's own pictures searched for in the demo's finished run."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import ROOT
from page_text import Page
from running import Workspace, demo_config
from visualsearch.__main__ import main
from visualsearch.core.files import read_json, write_json
from visualsearch.data.tables import BOX_COLUMNS, read_table, write_table
from visualsearch.query import command
from visualsearch.query.page import render_page

# The command in a Python of its own, which then says what it has loaded.
COMMAND = """
import sys
from visualsearch.__main__ import main
main(sys.argv[1:])
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
# pandas is not among them: pyarrow loads it if it is installed.
HEAVY = {"torch", "torchvision", "transformers", "scipy", "sklearn", "matplotlib"}
TWO, HOSTILE = "two.jpg", '"><img src=x onerror=alert(1)>.png'
BOX = "40,20,300,400"
# What a query does not read.
UNREAD = shutil.ignore_patterns("images", "report", "logs", "benchmarks", "evaluation")

Asking = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture(scope="module")
def pictures(demo: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of two persons, stored sideways as phones do; one of one; and one of nobody."""
    folder = tmp_path_factory.mktemp("own")
    of_run = demo.results / "dataset/images"
    both = Image.new("RGB", (1100, 900), "white")
    for name, size, place in (("P002", (300, 600), (20, 200)), ("P001", (500, 880), (500, 10))):
        with Image.open(of_run / name / "studio_posture.jpg") as person:
            both.paste(person.resize(size), place)
    exif = Image.Exif()
    exif[0x0112] = 6
    both.rotate(90, expand=True).save(folder / TWO, exif=exif, quality=90)
    with Image.open(of_run / "P003/amateur_selfie.jpg") as selfie:
        selfie.reduce(2).save(folder / HOSTILE)
    Image.new("RGB", (200, 150), "white").save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def ask(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asking:
    """The command, in the folder of the pictures: its status, output, and lines on stderr."""
    monkeypatch.chdir(pictures)

    def run(*words: object) -> tuple[int, str, list[str]]:
        try:
            main(["query", *map(str, words)])
            status = 0
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return run


@pytest.fixture
def light(demo: Workspace, tmp_path: Path) -> Path:
    """A copy of what a query reads of the results, for a test to change."""
    return Path(shutil.copytree(demo.results, tmp_path / "results/run", ignore=UNREAD))


def state(folder: Path) -> dict[str, Any]:
    """Each file and folder, hidden ones too: content, and when it was changed."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def without_checksum(path: Path) -> Path:
    path.with_name(f".{path.name}.sha256").unlink()
    return path


def test_the_answers_are_those_of_a_run_and_its_results_stay_as_they_are(
    demo: Workspace, pictures: Path, tmp_path: Path
) -> None:
    """The run has the same pictures in queries.images, where names may hold no markup."""
    given = [TWO, HOSTILE, f"{TWO}#xywh={BOX}"]
    shutil.copy(pictures / HOSTILE, tmp_path / "plain.png")
    images = [pictures / TWO, tmp_path / "plain.png", f"{pictures / TWO}#xywh={BOX}"]
    queries = {"images": [str(image) for image in images], "boxes": "all", "count": 0}
    reference = demo.copy(tmp_path / "reference", demo_config(queries=queries))
    reference.run("search")
    asked = pq.read_table(reference.results / "search/queries.parquet").to_pylist()
    hits = pq.read_table(reference.results / "search/hits.parquet").to_pylist()
    expected = {
        tuple(round(query[side], 1) for side in BOX_COLUMNS): [
            (hit["person_id"], hit["rank"], hit["similarity"], hit["near_duplicate"])
            for hit in hits
            if hit["query"] == query["query"]
        ]
        for query in asked
    }
    assert len(expected) == len(asked) >= 4

    before = state(demo.results)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "query", str(demo.results), *given, "--json"],
        cwd=pictures,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert state(demo.results) == before
    found = json.loads(done.stdout)
    answers = {
        tuple(query["box"]): [
            (hit["person_id"], hit["rank"], hit["similarity"], hit["near_duplicate"])
            for hit in query["hits"]
        ]
        for query in found["queries"]
    }
    assert answers == expected
    # The kept networks were used.
    [loaded] = done.stderr.splitlines()
    assert "openvino" in loaded.split() and not HEAVY & set(loaded.split())

    assert Path(found["page"]) == pictures / "query-two.html"
    page = Page(Path(found["page"]).read_text(encoding="utf-8"))
    assert len(page.crops()) == len(asked) * 11
    assert all(crop["src"].startswith("data:image/jpeg;base64,") for crop in page.crops())
    assert HOSTILE in page.words and "MIT" in page.words and "near-duplicate" in page.words
    # The user's own picture may show real people.
    assert any("The people found are computer-generated" in words for words in page.words)
    assert not page.scripts and not [tag for tag in page.elements if "onerror" in tag[1]]
    [policy] = [meta for meta in page.all("meta") if "http-equiv" in meta]
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_the_largest_persons_come_first_and_the_lines_can_be_read(
    demo: Workspace, ask: Asking, pictures: Path
) -> None:
    status, printed, told = ask(demo.results, TWO, "--persons", 1, "--output", "page.html")
    assert status == 0 and told == [f"WARNING: {TWO}: searching for the 1 largest of 2 detected"]
    first, heads, *hits, empty, gallery = printed.splitlines()
    assert first.startswith(f"{TWO}: person 1 of 2 by size, score ") and empty == ""
    assert heads.split() == ["rank", "cosine", "person", "id", "box", "file"] and len(hits) == 10
    rank, cosine, person_id, box, file = hits[0].split()[:5]
    assert (rank, file) == ("1", "P001/studio_posture.jpg") and 0.7 < float(cosine) < 1
    persons = pq.read_table(demo.results / "index/persons.parquet").to_pylist()
    [person] = [row for row in persons if row["person_id"] == int(person_id)]
    assert [float(side) for side in box.split(",")] == [round(person[s], 1) for s in BOX_COLUMNS]
    assert gallery == f"Gallery  {(pictures / 'page.html').as_uri()}"
    sizes = []
    for query in json.loads(ask(demo.results, TWO, "--json")[1])["queries"]:
        sizes.append(query["box"][2] * query["box"][3])
    assert len(sizes) == 2 and sizes[0] > sizes[1]


def test_boxes_by_hand_and_pages_that_are_there(
    demo: Workspace, ask: Asking, pictures: Path
) -> None:
    (pictures / "query-nobody.html").write_text("mine")
    status, printed, told = ask(
        demo.results, "nobody.png", "--box", "0,0,50,50", "--box", "percent:50,0,50,50"
    )
    assert status == 0 and told == []
    lines = printed.splitlines()
    assert lines[0] == "nobody.png: box by hand, box 0,0,50,50"
    assert "nobody.png: box by hand, box 100,0,100,75" in lines
    assert lines[-1].endswith("/query-nobody-2.html")
    assert (pictures / "query-nobody.html").read_text() == "mine"


def test_a_page_that_another_query_writes_meanwhile_is_kept(
    demo: Workspace, ask: Asking, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_slowly(*given: Any) -> str:
        (pictures / "query-same.html").write_text("of another")
        return render_page(*given)

    monkeypatch.setattr(command, "render_page", render_slowly)
    shutil.copy(pictures / TWO, pictures / "same.png")
    status, printed, _ = ask(demo.results, "same.png", "--box", BOX)
    assert status == 0 and printed.endswith("/query-same-2.html\n")
    assert (pictures / "query-same.html").read_text() == "of another"


def test_hits_without_their_pictures_are_shown_without_crops(light: Path, ask: Asking) -> None:
    status, printed, told = ask(light, HOSTILE, "--output", "page.html")
    assert status == 0 and printed.count("P0") == 10
    [line] = told
    assert line.startswith("WARNING: 10 of 11 pictures are missing or have changed since the run")
    assert str(light / "dataset/images/P0") in line
    page = Page(Path("page.html").read_text(encoding="utf-8"))
    assert len(page.crops()) == 1 and page.words.count("no picture") == 10


def test_the_pictures_of_a_folder_are_found_from_anywhere(
    demo: Workspace, light: Path, ask: Asking
) -> None:
    """Its path in the configuration is from where the run was started, above the results."""
    shutil.copytree(demo.results / "dataset/images", light.parents[1] / "mine/pictures")
    [record] = (light / "settings/fetch_annotations").iterdir()
    settings = read_json(record)
    settings["dataset"] |= {"source": "folder"}
    settings["dataset"]["folder"]["path"] = "mine/pictures"
    write_json(record, settings)
    status, _, told = ask(light, HOSTILE, "--output", "page.html")
    assert (status, told) == (0, [])
    assert len(Page(Path("page.html").read_text(encoding="utf-8")).crops()) == 11


@pytest.mark.parametrize(
    "lacking",
    [
        *("dataset/manifest.parquet", "detections/detector.json", "pca/model.npz"),
        *("index/index.json", "index/persons.parquet", "index/persons.ann"),
        *("embeddings/1.parquet", "settings/search_persons", "settings/embed_persons"),
    ],
)
def test_what_an_unfinished_run_lacks_is_named(lacking: str, light: Path, ask: Asking) -> None:
    path = light / lacking
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    status, printed, told = ask(light, TWO)
    assert (
        status == 1
        and printed == ""
        and told
        == [
            f"ERROR: the run in {light} is not finished: {lacking} is missing; "
            "run snakemake --cores all with its configuration, to finish it"
        ]
    )


def test_results_that_do_not_belong_together_are_refused(light: Path, ask: Asking) -> None:
    """A run stopped after a change of settings leaves new vectors beside the old index."""
    path = light / "embeddings/0.parquet"
    table = read_table(path)
    before = read_table(light / "embeddings/1.parquet")["vector"]
    place = table.schema.get_field_index("vector")
    mixed = table.set_column(place, "vector", before.take([0] * len(table)))
    write_table(path, [mixed], mixed.schema)
    status, _, [line] = ask(light, TWO)
    assert status == 1 and "finished: its index does not belong to its embeddings; run" in line
    [record] = (light / "settings/embed_persons/1").iterdir()
    write_json(record, read_json(record) | {"search_set": {"min_score": 0.9, "min_height": 64}})
    status, _, [line] = ask(light, TWO)
    assert status == 1 and "the jobs of embed_persons had different settings" in line


def test_a_detector_of_other_settings_than_the_embeddings_is_refused(
    light: Path, ask: Asking
) -> None:
    """As after a run that was stopped, or parity, with another detector.precision."""
    [record] = (light / "settings/fetch_weights").iterdir()
    settings = read_json(record)
    settings["detector"]["precision"] = "bf16"
    write_json(record, settings)
    status, printed, [line] = ask(light, TWO)
    assert (status, printed) == (1, "")
    assert (
        "is not finished: its detections/detector.json does not belong to its embeddings; run"
        in line
    )


def test_a_search_set_that_holds_nobody_is_told(light: Path, ask: Asking) -> None:
    """Such an index is exact, whatever index.backend is, in a file of the backend's name."""
    path = without_checksum(light / "index/index.json")
    write_json(path, read_json(path) | {"n_items": 0, "backend": "exact"})
    status, _, [line] = ask(light, TWO)
    assert status == 1 and f"the search set of the run in {light} is empty; lower" in line


def test_a_run_of_another_version_is_told(light: Path, ask: Asking) -> None:
    [record] = (light / "settings/search_persons").iterdir()
    settings = read_json(record)
    write_json(record, settings | {"code": "0" * 16})
    status, printed, told = ask(light, TWO, "--box", BOX, "--output", "page.html")
    assert (
        status == 0
        and printed
        and any("the code of this workflow has changed since the run in" in line for line in told)
    )
    settings["search"]["unknown"] = 1
    write_json(record, settings)
    status, _, [line] = ask(light, TWO)
    assert status == 1 and "was made by another version of this workflow" in line


def test_a_file_that_was_changed_is_refused(light: Path, ask: Asking) -> None:
    write_json(light / "index/index.json", read_json(light / "index/index.json") | {"n_trees": 1})
    status, _, [line] = ask(light, TWO)
    assert status == 1 and "index/index.json is not the file that this run wrote" in line


def test_weights_that_the_results_do_not_hold_must_be_given(
    light: Path, ask: Asking, tmp_path: Path
) -> None:
    path = without_checksum(light / "detections/detector.json")
    write_json(path, read_json(path) | {"weights_are_published": False, "weights": "mine.pth"})
    status, _, [line] = ask(light, TWO)
    assert status == 1 and line.endswith("a file of your own, mine.pth; give it: --weights FILE")
    (tmp_path / "other.pth").write_bytes(b"other")
    status, _, [line] = ask(light, TWO, "--weights", tmp_path / "other.pth")
    assert status == 1 and "other.pth is not the file with which the run" in line
    status, _, [line] = ask(light, TWO, "--weights", "absent.pth")
    assert status == 1 and line == "ERROR: --weights: there is no file absent.pth"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nobody.png"], "nobody.png: no person of score 0.7 and height 64 px or more: the best "
         "has 0.06 and 137 px; give its box in pixels, as in --box 10,20,30,40"),
        (["nobody.png", "--box", "300,0,9,9"], "nobody.png#xywh=300,0,9,9: its box lies outside of "
         "the picture, which is 200 px wide and 150 px high when upright"),
        (["absent.jpg"], "absent.jpg: No such file or directory"),
        (["broken.jpg"], "broken.jpg: not a picture (JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM, "
         "JPEG2000, AVIF, HEIF are read)"),
        ([TWO, "nobody.png", "--box", BOX], "--box is for one picture without a box; for "
         "several, append a box to each, as in me.jpg#xywh=10,20,30,40"),
        ([f"{TWO}#xywh=1,2"], f"{TWO}#xywh=1,2: 1,2 is not a box; write it as in "
         "me.jpg#xywh=10,20,30,40"),
        ([TWO, "--output", TWO], f"--output: {TWO} must end in .html, so that no other file is "
         "replaced"),
        (["a\udcff.jpg"], "a\\udcff.jpg: this name is not UTF-8, so no page can show it; "
         "rename it"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_words_is_one_line(
    words: list[str], line: str, demo: Workspace, ask: Asking
) -> None:
    assert ask(demo.results, *words) == (1, "", [f"ERROR: {line}"])


def test_no_page_is_written_into_the_results(demo: Workspace, ask: Asking, tmp_path: Path) -> None:
    page = demo.results / "report/me.html"
    status, _, [line] = ask(demo.results, TWO, "--output", page)
    assert status == 1 and f"{page} would lie in {demo.results}" in line and not page.exists()
    assert ask(tmp_path / "no", TWO)[2] == [
        f"ERROR: {tmp_path / 'no'} is not a folder; give the results folder of a finished run"
    ]
    [line] = ask(tmp_path, TWO)[2]
    assert f"{tmp_path} holds no results of a run; give the folder that" in line
    # Such a folder may be the one in which the page would be written.
    [line] = ask(".", TWO)[2]
    assert ". holds no results of a run; give the folder that" in line


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("/proc/me.html", "No such file or directory"),
        ("folder.html", "Is a directory"),
        ("broken.jpg/me.html", "File exists"),
        (f"{'x' * 250}.html", "File name too long"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_line(
    output: str, reason: str, demo: Workspace, ask: Asking, pictures: Path
) -> None:
    (pictures / "folder.html").mkdir(exist_ok=True)
    status, printed, told = ask(demo.results, TWO, "--box", BOX, "--output", output)
    line = f"ERROR: {output} cannot be written ({reason}); give another place: --output FILE"
    assert (status, printed, told) == (1, "", [line])


def test_a_full_disk_under_the_printed_hits_is_one_line(
    demo: Workspace, pictures: Path, tmp_path: Path
) -> None:
    words = ["query", demo.results, TWO, "--box", BOX, "--output", tmp_path / "page.html"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "visualsearch", *map(str, words)],
            cwd=pictures,
            env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "ERROR: the hits cannot be printed (No space left on device)\n"
