"""The fetch stage's tables: what is written is what is read."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from visualsearch.core.errors import InputError
from visualsearch.data.manifest import (
    MANIFEST_SCHEMA,
    MAX_IMAGE_ID,
    FetchedImage,
    ListedImage,
    Skipped,
    check_skipped,
    merge_manifests,
    person_id,
    read_listed,
    read_manifest,
    read_skipped,
    shard_of,
    split_person_id,
    write_listed,
    write_manifest,
    write_skipped,
)

LISTED = [
    ListedImage(90, "ü/人.jpg", 640, 480, 4, "Attribution License", "http://l/", "http://s/"),
    ListedImage(3, "a.png", labels='{"person": "P001"}'),
    ListedImage(MAX_IMAGE_ID, "z.webp"),
]
FETCHED = [FetchedImage(image, 10 + i, 20 + i, f"{i:064x}") for i, image in enumerate(LISTED)]


def test_person_id_packs_and_unpacks() -> None:
    images = np.array([0, 1, 790, MAX_IMAGE_ID], np.int64)
    ranks = np.array([999, 0, 7, 999], np.int16)
    packed = person_id(images, ranks)
    assert packed.dtype == np.int64
    assert packed.tolist() == [999, 1000, 790007, MAX_IMAGE_ID * 1000 + 999]
    assert packed.max() < 2**53
    back = split_person_id(packed)
    assert np.array_equal(back[0], images) and np.array_equal(back[1], ranks)
    assert person_id(790, 7) == 790007


@pytest.mark.parametrize(("image", "rank"), [(-1, 0), (MAX_IMAGE_ID + 1, 0), (1, 1000), (1, -1)])
def test_person_id_refuses_what_it_cannot_pack(image: int, rank: int) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        person_id(image, rank)


def test_listed_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    write_listed(path, LISTED)
    assert read_listed(path) == sorted(LISTED, key=lambda image: image.image_id)
    write_listed(path, [])
    assert read_listed(path) == []


def test_manifest_does_not_depend_on_shards_or_order(tmp_path: Path) -> None:
    written = []
    for shards in (1, 2, 5):
        parts = []
        for shard in range(shards):
            parts.append(tmp_path / f"{shards}-{shard}.parquet")
            rows = [row for row in FETCHED if shard_of(row.listed.image_id, shards) == shard]
            write_manifest(parts[-1], reversed(rows), shards)
        whole = tmp_path / f"{shards}.parquet"
        assert merge_manifests(parts, whole) == 3
        assert pq.read_schema(whole).equals(MANIFEST_SCHEMA)
        table = read_manifest(whole)
        assert table["shard"].to_pylist() == [
            shard_of(i, shards) for i in table["image_id"].to_pylist()
        ]
        written.append(table.drop_columns(["shard"]).to_pylist())
    assert written[0] == written[1] == written[2]
    assert [row["image_id"] for row in written[0]] == [3, 90, MAX_IMAGE_ID]
    # The size is that of the file, not the one promised.
    assert (written[0][1]["width"], written[0][1]["license_id"]) == (10, 4)
    assert read_manifest(whole, ["file"]).column_names == ["file"]


def test_skipped_round_trip_and_escapes(tmp_path: Path) -> None:
    skipped = [
        Skipped(7, "tab\there.jpg", "two\nlines, a back\\slash and \\t"),
        Skipped(None, "ä.jpg", "no id"),
    ]
    path = tmp_path / "skipped.tsv"
    write_skipped(path, skipped)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "image_id\tfile\treason"
    assert len(lines) == 3 and all(line.count("\t") == 2 for line in lines)
    assert read_skipped(path) == skipped
    write_skipped(path, [])
    assert path.read_text() == "image_id\tfile\treason\n"
    assert read_skipped(path) == []


def test_a_name_that_is_not_utf8_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "skipped.tsv"
    write_skipped(path, [Skipped(None, b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), "why")])
    assert "caf\\udce9.jpg" in path.read_text(encoding="utf-8")
    assert len(read_skipped(path)) == 1


def test_skipped_fraction() -> None:
    one = [Skipped(1, "a.jpg", "the file is empty")]
    check_skipped(99, one, 0.01, "the.log")
    check_skipped(1, [], 0.0, "the.log")
    check_skipped(1, one, 0.01, "the.log")  # one bad picture stops no run
    with pytest.raises(InputError, match=r"2 of 99 .*2\.0%.*0\.01 allows.*empty \(2\).*the\.log"):
        check_skipped(97, one * 2, 0.01, "the.log")
    with pytest.raises(InputError, match=r"1 of 99 .*0\.0 allows"):
        check_skipped(98, one, 0.0, "the.log")
    with pytest.raises(InputError, match="no usable picture is left, 1 "):
        check_skipped(0, one, 1.0, "the.log")
    with pytest.raises(InputError, match="no usable picture"):
        check_skipped(0, [], 1.0, "the.log")
