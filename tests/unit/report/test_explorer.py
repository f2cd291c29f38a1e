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
import pyarrow as pa
import pytest
from PIL import Image

from conftest import ROOT
from explorer_run import (
    A_PICTURE,
    BOXES,
    FIT,
    HOSTILE_LABEL,
    HOSTILE_LICENSE,
    LENGTH,
    SHARDS,
    SIDE,
    Made,
    file_of,
    full_length_of,
    make,
    opened,
)
from helpers import persons_table, unit_vectors, write_shards
from visualsearch.core.errors import InputError
from visualsearch.core.files import remove_leftovers, replacing_folder
from visualsearch.data.tables import HITS, metadata_of, read_table, write_table
from visualsearch.explorer.chunks import NOBODY, map_chunk, script
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.page import page_facts
from visualsearch.explorer.report_hits import hits_of_persons, put_hits_first
from visualsearch.explorer.thumbnails import SHEET_COLUMNS, SHEET_PERSONS
from visualsearch.explorer.writing import write_explorer
from visualsearch.search.everyone import EVERYONE, exact_index, search_everyone
from visualsearch.search.hits import search_all
from visualsearch.search.map import MAP, project, write_map
from visualsearch.settings import SearchSettings

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


def test_one_place_lies_in_the_middle() -> None:
    places = np.frombuffer(base64.b64decode(map_chunk(np.array([[3, -7]], np.float32))), "<u2")
    assert np.abs(places.astype(int) - 0x8000).max() <= 1


@pytest.mark.parametrize("backend", ["annoy", "exact", "faiss"])
@pytest.mark.parametrize(
    "search",
    [
        {"hits_per_image": None},
        {},
        {"hits_per_image": None, "same_image": True},
        {"near_duplicate": 0.8, "exclude_near_duplicates": True},
    ],
    ids=["elsewhere", "one-an-image", "same-image", "no-near-duplicates"],
)
def test_first_come_the_hits_of_the_report(
    tmp_path: Path, backend: str, search: dict[str, Any]
) -> None:
    """Though they are an index's, which misses some, and everybody's neighbours are exact."""
    table = persons_table(unit_vectors(N, LENGTH), A_PICTURE)
    index = opened(tmp_path, table, backend, search_k=1)
    settings, full_length = SearchSettings(**search), full_length_of(tmp_path)
    ids = table["person_id"].to_pylist()
    queries = table.select(["person_id", "image_id", "vector"])
    queries = queries.append_column("query", pa.array(np.arange(N)))
    hits = search_all(index, table.drop_columns("vector"), queries, settings, full_length)
    write_table(tmp_path / "queries.parquet", [queries], queries.schema)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    by_person = hits_of_persons(str(tmp_path / "queries.parquet"), str(tmp_path / "hits.parquet"))
    shards = [str(tmp_path / f"{shard}.parquet") for shard in range(SHARDS)]
    everyone = exact_index(shards)
    found: dict[int, dict[str, Any]] = {}
    exact: dict[int, list[int]] = {}
    for path in shards:
        for part in search_everyone(everyone, table, path, settings, 30, full_length):
            assert part.schema.equals(EVERYONE)
            exact |= {row["person_id"]: row["neighbours"] for row in part.to_pylist()}
            columns = part.to_pydict()
            put_hits_first(columns, by_person, settings.hits_per_image, 30)
            rows = zip(*columns.values(), strict=True)
            found |= {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert sorted(found) == ids
    assert sorted(by_person) == ids
    assert {len(neighbours) for neighbours in exact.values()} == {30}
    for person in ids:
        person_found = found[person]
        for name, column in (
            ("neighbours", "person_id"),
            ("similarity", "similarity"),
            ("same_image", "same_image"),
            ("near_duplicate", "near_duplicate"),
        ):
            assert person_found[name][:10] == [hit[column] for hit in by_person[person]], person
        # Then the nearest that are not among them.
        shown = person_found["neighbours"]
        assert len(set(shown) - {person}) == 30
        further = [other for other in exact[person] if other not in shown[:10]]
        if settings.hits_per_image == 1:
            assert len({n // 1000 for n in shown}) == 30
            images = {other // 1000 for other in shown[:10]}
            further = [other for other in further if other // 1000 not in images]
        assert shown[10:] == further[:20][: len(shown) - 10]
    if backend == "annoy":
        assert any(found[person]["neighbours"] != exact[person] for person in ids)


def test_a_query_of_an_own_picture_changes_nobody(tmp_path: Path) -> None:
    nobody = pa.array([None], pa.int64())
    queries = pa.table({"query": pa.array([0], pa.int16()), "person_id": nobody})
    write_table(tmp_path / "queries.parquet", [queries], queries.schema)
    hits = pa.Table.from_pylist([{"query": 0, "person_id": 1000}], HITS)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    assert hits_of_persons(str(tmp_path / "queries.parquet"), str(tmp_path / "hits.parquet")) == {}


@pytest.mark.parametrize("count", [1, 4, 30])
def test_as_many_neighbours_as_asked(tmp_path: Path, count: int) -> None:
    table = persons_table(unit_vectors(N, LENGTH), A_PICTURE)
    index = opened(tmp_path, table, "exact")
    search = SearchSettings(neighbours=4)
    parts = search_everyone(
        index, table, str(tmp_path / "0.parquet"), search, count, full_length_of(tmp_path)
    )
    lists = [row["neighbours"] for part in parts for row in part.to_pylist()]
    assert {len(found) for found in lists} == {count}


def test_tsne_keeps_groups_together_and_is_the_same_again(tmp_path: Path) -> None:
    group = np.arange(90) % 3
    vectors = np.eye(3, LENGTH)[group] + 0.05 * np.random.default_rng(0).normal(size=(90, LENGTH))
    table = persons_table(vectors)
    maps = []
    for shards in (1, 4):
        (tmp_path / str(shards)).mkdir()
        path = tmp_path / f"map-{shards}.parquet"
        write_map(path, write_shards(tmp_path / str(shards), table, shards), "tsne")
        maps.append(path)
    assert maps[0].read_bytes() == maps[1].read_bytes()
    assert metadata_of(maps[0])["method"] == "tsne"
    found = read_table(maps[0])
    assert found.schema.equals(MAP) and found["person_id"].equals(table["person_id"])
    places = np.column_stack([found["x"].to_numpy(), found["y"].to_numpy()])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(90)
    assert (group[apart.argmin(axis=1)] == group).all()


@pytest.mark.parametrize("persons", [0, 1, 2, 7, 8, 9, 31])
def test_a_map_of_few(persons: int) -> None:
    places, method = project(unit_vectors(persons, LENGTH), "tsne")
    assert places.shape == (persons, 2) and places.dtype == np.float32
    assert np.isfinite(places).all()
    assert method == ("tsne" if persons >= 8 else "pca")


def test_copies_of_one_person_lie_together(caplog: pytest.LogCaptureFixture) -> None:
    """More of them than t-SNE asks neighbours for, so that all distances of a person are 0."""
    vectors = unit_vectors(150, LENGTH)
    vectors[:100] = vectors[0]
    with caplog.at_level("INFO"):
        places, method = project(vectors, "tsne")
    assert method == "tsne" and np.isfinite(places).all()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(150)
    assert (apart[:100].argmin(axis=1) < 100).all()
    assert "map: 15 rounds of 50 steps in" in caplog.text


@pytest.mark.parametrize("vectors", [np.ones((20, 4)), np.linspace(0, 1, 20)[:, None]])
def test_a_map_of_persons_that_hardly_differ(vectors: np.ndarray) -> None:
    places, method = project(vectors.astype(np.float32), "tsne")
    assert method == "pca" and np.isfinite(places).all()
    assert places[:, 0].tolist() == vectors[:, 0].astype(np.float32).tolist()


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
