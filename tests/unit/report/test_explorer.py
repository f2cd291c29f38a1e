"""The explorer's files: every person's neighbours, place, thumbnail and words, read back."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from explorer_run import (
    A_PICTURE,
    BOXES,
    FIT,
    HOSTILE_LABEL,
    HOSTILE_LICENSE,
    SIDE,
    Made,
    file_of,
    make,
)
from visualsearch.core.errors import InputError
from visualsearch.core.files import remove_leftovers, replacing_folder
from visualsearch.data.tables import read_table
from visualsearch.explorer.chunks import NOBODY, script
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.page import page_facts
from visualsearch.explorer.thumbnails import SHEET_COLUMNS, SHEET_PERSONS
from visualsearch.explorer.writing import write_explorer

N = 330


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    run = make(
        tmp_path_factory.mktemp("made"), N, search={"same_image": True, "hits_per_image": None}
    )
    run.build()
    return run


@pytest.fixture(scope="module")
def folder(made: Made) -> Path:
    return made.folder / "explorer"


def payload(folder: Path, name: str) -> Any:
    """What a data file hands to the page, read as a browser would."""
    text = (folder / "data" / f"{name}.js").read_text(encoding="ascii")
    called = re.fullmatch(r'chunks\.receive\("([a-z]+(?:-\d{4,})?)",(.*)\);\n', text)
    assert called and called[1] == name
    return json.loads(called[2])


def arrays(folder: Path, name: str, *kinds: tuple[str, int]) -> list[np.ndarray]:
    """The arrays of a binary data file: (dtype, length) of each."""
    data = base64.b64decode(payload(folder, name), validate=True)
    assert len(data) == sum(np.dtype(kind).itemsize * length for kind, length in kinds)
    found, start = [], 0
    for kind, length in kinds:
        found.append(np.frombuffer(data, kind, length, start))
        start += found[-1].nbytes
    return found


def facts_of(folder: Path) -> dict[str, Any]:
    page = (folder / "index.html").read_text(encoding="utf-8")
    text = re.search(r'<script[^>]*id="facts"[^>]*>(.*?)</script>', page, re.DOTALL)
    return json.loads(text[1])  # type: ignore[index]


def persons_of(folder: Path, n: int) -> dict[str, np.ndarray]:
    kinds = facts_of(folder)["labels"]
    names = ["height", *(label["kind"] for label in kinds), "score", "wide", "high"]
    lengths = [("<u2", n)] * (1 + len(kinds)) + [("u1", n)] * 3
    return dict(zip(names, arrays(folder, "persons", *lengths), strict=True))


def test_numbers_of_all_persons(made: Made, folder: Path) -> None:
    found = persons_of(folder, N)
    assert found["height"].tolist() == made.table["h"].to_numpy().round().tolist()
    assert [f"{score / 100:.2f}" for score in found["score"]] == [
        f"{score:.2f}" for score in made.table["score"].to_pylist()
    ]


def test_labels_of_all_persons(made: Made, folder: Path) -> None:
    facts, found = facts_of(folder), persons_of(folder, N)
    assert facts["labels"] == [
        {"kind": "n", "values": ["0", "1", "2", "3", "4"]},
        {"kind": "who", "values": [HOSTILE_LABEL]},
    ]
    image = np.arange(N) // A_PICTURE
    assert found["who"].tolist() == (image % 4 > 0).astype(int).tolist()
    assert found["n"].tolist() == np.where(image % 4, 1 + image % 5, 0).tolist()


def test_each_thumbnail_shows_its_person(made: Made, folder: Path) -> None:
    found = persons_of(folder, N)
    sizes = list(zip(found["wide"].tolist(), found["high"].tolist(), strict=True))
    assert sizes == [FIT[row % A_PICTURE] for row in range(N)]
    names = sorted(path.name for path in (folder / "thumbnails").iterdir())
    assert names == [f"{number:04d}.webp" for number in range(-(-N // SHEET_PERSONS))]
    for row, (wide, high) in enumerate(sizes):
        with Image.open(folder / "thumbnails" / names[row // SHEET_PERSONS]) as sheet:
            assert sheet.format == "WEBP" and sheet.width == 112 * SHEET_COLUMNS
            pixels = np.asarray(sheet.convert("RGB")).astype(int)
        down, across = divmod(row % SHEET_PERSONS, SHEET_COLUMNS)
        thumbnail = pixels[down * 112 :, across * 112 :][:high, :wide]
        assert np.abs(thumbnail - made.colours[row].astype(int)).mean() < 6, row
    # The last sheet has no more rows of cells than it needs.
    with Image.open(folder / "thumbnails" / names[-1]) as sheet:
        assert sheet.height == 112 * -(-(N % SHEET_PERSONS) // SHEET_COLUMNS)


def test_neighbours_of_all_persons(made: Made, folder: Path) -> None:
    count, vectors = 30, np.array(made.table["vector"].to_pylist())
    images = made.table["image_id"].to_numpy()
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -9)
    truth = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    assert facts_of(folder)["chunk"]["neighbours"] == 512 > N
    shape = N * count
    rows, similarity, flags = (
        part.reshape(N, count)
        for part in arrays(folder, "neighbours-0000", ("<u4", shape), ("<i2", shape), ("u1", shape))
    )
    assert (rows == truth).all()
    nearest = np.take_along_axis(cosines, truth, axis=1)
    everyone = [row for path in made.files.everyone for row in read_table(path).to_pylist()]
    everyone.sort(key=lambda row: row["person_id"])
    shown = [float(f"{cosine:.3f}") for row in everyone for cosine in row["similarity"]]
    assert (similarity.ravel() / 1000).tolist() == shown
    assert np.abs(similarity / 1000 - nearest).max() <= 0.501 / 1000
    assert ((flags & 1 > 0) == (images[rows] == images[:, None])).all() and (flags & 1).any()
    assert ((flags & 2 > 0) == (nearest >= made.settings.search.near_duplicate)).all() and (
        flags & 2
    ).any()


def test_details_of_all_persons(made: Made, folder: Path) -> None:
    facts = facts_of(folder)
    assert facts["chunk"]["details"] == 256 < N
    assert facts["first_ids"] == [made.table["person_id"][n].as_py() for n in (0, 256)]
    # An address that is no web address is none.
    assert facts["licenses"] == [{"name": HOSTILE_LICENSE, "url": ""}]
    rows = payload(folder, "details-0000") + payload(folder, "details-0001")
    assert len(rows) == N
    for number, (person, row) in enumerate(zip(made.table.to_pylist(), rows, strict=True)):
        box = [float(side) for side in BOXES[number % A_PICTURE]]
        assert row == [person["person_id"], round(person["score"], 3), box]


def test_pictures_of_all_persons(folder: Path) -> None:
    facts, rows = facts_of(folder), payload(folder, "pictures-0000")
    assert facts["chunk"]["pictures"] == 512 > facts["pictures"] == len(rows) == N / A_PICTURE
    # The picture of the first person of each file of details.
    assert facts["first_pictures"] == [0, 256 // A_PICTURE]
    for image, row in enumerate(rows):
        assert row == [
            image + 1,
            file_of(image),
            A_PICTURE,
            0 if image % 2 else -1,
            "" if image % 2 else f"https://a.example/?{image}",
            SIDE,
            SIDE,
        ]


def test_pictures_known_by_their_id_say_their_file_too(made: Made) -> None:
    contents = Contents(made.files.manifest, made.table, by_file=False)
    name, *_, file = contents.pictures(3, 4)[0][1:]
    assert (name, file) == ("image 4", file_of(3))


def test_whole_pictures_on_demand(made: Made, folder: Path, tmp_path: Path) -> None:
    assert not (folder / "pictures").exists() and not facts_of(folder)["whole_pictures"]
    run = make(tmp_path, 5, explorer={"pictures": True}, report={"picture_side": 128})
    written = run.build() / "pictures"
    assert sorted(path.name for path in written.iterdir()) == ["0000.webp", "0001.webp"]
    with Image.open(written / "0001.webp") as whole, Image.open(run.picture(1)) as own:
        assert whole.size == (128, 128)
        small = np.asarray(own.resize(whole.size), dtype=int)
        assert np.abs(np.asarray(whole.convert("RGB")) - small).mean() < 4


def test_a_link_leads_to_the_users_own_folder(made: Made, folder: Path) -> None:
    own = facts_of(folder)["own_files"]
    assert (folder / unquote(own)).resolve() == (made.folder / "pictures").resolve()
    assert not Path(own).is_absolute()
    elsewhere = made.folder / "elsewhere"
    write_explorer(made.files, made.settings, str(made.folder / "pictures"), str(elsewhere))
    assert facts_of(elsewhere)["own_files"] == own


def test_the_map_keeps_its_shape(made: Made, folder: Path) -> None:
    x, y = arrays(folder, "map", ("<u2", N), ("<u2", N))
    places = read_table(made.files.map)
    wide = np.ptp(places["x"].to_numpy())
    high = np.ptp(places["y"].to_numpy())
    assert max(np.ptp(x), np.ptp(y)) == 0xFFFF
    assert np.ptp(x) / np.ptp(y) == pytest.approx(wide / high, abs=1e-3)
    assert np.corrcoef(x, places["x"].to_numpy())[0, 1] == pytest.approx(1, abs=1e-6)
    assert np.corrcoef(y, places["y"].to_numpy())[0, 1] == pytest.approx(1, abs=1e-6)


def test_the_first_query_of_the_set_is_shown_first(made: Made, folder: Path) -> None:
    assert facts_of(folder)["start"] == N // 2


def test_own_pictures_are_not_shown_first(made: Made) -> None:
    ids = made.table["person_id"].to_pylist()
    contents = Contents(made.files.manifest, made.table, by_file=True)
    assert page_facts(contents, made.settings, "pca", [None, ids[7], ids[3]])["start"] == 7
    assert page_facts(contents, made.settings, "pca", [None])["start"] == 0


def test_nothing_hostile_stands_in_the_page_or_its_data_as_markup(folder: Path) -> None:
    files = [folder / "index.html", *(folder / "data").iterdir()]
    assert len(files) == 9
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "<img src=x" not in text and "<b onclick" not in text
        assert "<script>alert" not in text and "\u2028" not in text
        assert "javascript:alert" not in text


def test_a_script_is_ascii_and_ends_where_it_should() -> None:
    text = script("details-0000", [["\u2028 ü", '");alert(1);("']])
    assert text.isascii() and text.count("\n") == 1
    assert json.loads(text[len('chunks.receive("details-0000",') : -3])[0][1] == '");alert(1);("'


def test_bytes_do_not_depend_on_threads(made: Made, folder: Path) -> None:
    other = made.build("threads", threads=3)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert len(files) > 10
    assert [f for f in files if (folder / f).read_bytes() != (other / f).read_bytes()] == []


@pytest.mark.parametrize("persons", [0, 1, 2])
def test_few_persons(tmp_path: Path, persons: int) -> None:
    run = make(tmp_path, persons)
    folder = run.build()
    if persons:
        facts = facts_of(folder)
        assert facts["persons"] == persons and facts["start"] == persons // 2
        assert len(persons_of(folder, persons)["score"]) == persons
    assert len(list((folder / "thumbnails").iterdir())) == min(persons, 1)
    x, y = arrays(folder, "map", ("<u2", persons), ("<u2", persons))
    assert len(x) == len(y) == persons
    data = {path.name for path in (folder / "data").iterdir()}
    numbered = ("neighbours", "details", "pictures", "vectors")
    assert data == {"map.js", "persons.js"} | (
        {"scales.js", *(f"{name}-0000.js" for name in numbered)} if persons else set()
    )
    if persons:
        shape = persons * 30
        rows, *_ = arrays(folder, "neighbours-0000", ("<u4", shape), ("<i2", shape), ("u1", shape))
        # They are of one picture, and persons of the same picture are not searched.
        assert (rows == NOBODY).all()


def test_a_failed_build_leaves_the_old_one(tmp_path: Path) -> None:
    run = make(tmp_path, 6)
    folder = run.build()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (tmp_path / "pictures" / file_of(1)).write_bytes(b"no picture any more")
    with pytest.raises(InputError, match="forcerun fetch_images"):
        run.build()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.glob(".explorer*"))


def test_a_killed_build_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from visualsearch.core.files import replacing_folder\n"
        "with replacing_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'index.html').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "explorer"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", program, str(target)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists() and list(tmp_path.iterdir())
    remove_leftovers(tmp_path)
    with replacing_folder(target) as folder:
        (folder / "index.html").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["explorer"]
    assert (target / "index.html").read_text() == "whole"
