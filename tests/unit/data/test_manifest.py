"""The fetch stage's tables: what is written is what is read."""

from pathlib import Path

import pytest

from visualsearch.core.errors import InputError
from visualsearch.data.manifest import (
    MAX_IMAGE_ID,
    ListedImage,
    person_id,
    read_listed,
    remove_other_shards,
    write_listed,
)
from visualsearch.data.skipped import Skipped, check_skipped, read_skipped, write_skipped

LISTED = [
    ListedImage(90, "ü/人.jpg", 640, 480, 4, "Attribution License", "http://l/", "http://s/"),
    ListedImage(3, "a.png", labels='{"person": "P001"}'),
    ListedImage(MAX_IMAGE_ID, "z.webp"),
]


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


def test_what_was_never_meant_as_a_picture_stops_no_run(tmp_path: Path) -> None:
    thumbnails = [Skipped(None, f"{n}/@eaDir/", "a thumbnail", False, n) for n in range(9)]
    check_skipped(1, thumbnails, 0.0, "the.log")
    with pytest.raises(InputError, match="dataset: 2 of 3 pictures were left out"):
        check_skipped(1, [*thumbnails, *[Skipped(1, "a.jpg", "empty")] * 2], 0.5, "the.log")
    write_skipped(tmp_path / "skipped.tsv", thumbnails)
    assert read_skipped(tmp_path / "skipped.tsv") == thumbnails


def test_fewer_shards_leave_nothing_and_pictures_stay(tmp_path: Path) -> None:
    kept = ["dataset/images/7.jpg", "dataset/shards/1.parquet", "logs/fit_pca.log"]
    kept += ["settings/fit_pca/123456789012.json", "settings/detect_persons/0/a.json"]
    gone = [
        "dataset/shards/2.skipped.tsv",
        "dataset/shards/.2.parquet.sha256",
        "logs/detect/10.log",
    ]
    gone += ["embeddings/3.parquet", "settings/detect_persons/2/a.json", "dataset/pictures/2.zip"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_other_shards(tmp_path, 2)
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert left == set(kept)
