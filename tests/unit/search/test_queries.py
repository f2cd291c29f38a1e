"""Which persons are searched for."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, unit_vectors, write_shards
from visualsearch.core.errors import InputError
from visualsearch.data.tables import QUERIES, write_table
from visualsearch.data.vectors import vectors_of, with_vector
from visualsearch.search.local_density import local_density
from visualsearch.search.queries import Before, candidates, choose_diverse, select_queries
from visualsearch.settings import QueriesSettings

# Four tight groups and one outlier, each person in an image of its own.
CENTRES = np.eye(5)
GROUPS = np.concatenate([np.repeat(CENTRES[:4], 10, axis=0), CENTRES[4:]])
GROUPS = GROUPS + np.random.default_rng(0).normal(scale=0.02, size=GROUPS.shape)
GROUPS = (GROUPS / np.linalg.norm(GROUPS, axis=1, keepdims=True)).astype(np.float32)
IMAGES = np.arange(len(GROUPS))


def test_diverse_takes_one_of_each_group_and_not_the_outlier() -> None:
    chosen = choose_diverse(np.arange(41), GROUPS, IMAGES, 4)
    assert sorted(choice.row // 10 for choice in chosen) == [0, 1, 2, 3]
    assert chosen[0].reason.startswith("the most typical")


def test_diverse_goes_on_from_those_chosen_before() -> None:
    """Two groups are shown already, so that the others come first, and no image twice."""
    before = Before(GROUPS[[5, 15]], IMAGES[[25, 35]])
    rest = np.setdiff1d(np.arange(41), [5, 15])
    chosen = choose_diverse(rest, GROUPS[rest], IMAGES[rest], 2, before)
    assert sorted(choice.row // 10 for choice in chosen) == [2, 3]
    assert not {25, 35} & {choice.row for choice in chosen}
    assert {choice.role for choice in chosen} == {"diverse"}


def test_an_outlier_has_the_lowest_local_density() -> None:
    density = local_density(GROUPS, IMAGES)
    assert density.argmin() == 40
    assert density[:40].min() > 0.85


def test_local_density_is_the_mean_cosine_in_other_images() -> None:
    vectors = unit_vectors(4, 6)
    cosines = vectors @ vectors.T
    images = np.array([0, 0, 1, 2])
    expected = [cosines[0, 2:].mean(), cosines[1, 2:].mean()]
    expected += [cosines[2, [0, 1, 3]].mean(), cosines[3, :3].mean()]
    assert local_density(vectors, images) == pytest.approx(expected, abs=1e-6)
    assert local_density(vectors, np.zeros(4, dtype=np.int64)).tolist() == [-1] * 4


def test_diverse_does_not_take_two_of_an_image() -> None:
    images = np.arange(41) // 10  # each group is one image
    chosen = choose_diverse(np.arange(41), GROUPS, images, 4)
    assert len({images[choice.row] for choice in chosen}) == 4


def chosen_of(folder: Path, table: pa.Table, shards: int = 2, **settings: Any) -> pa.Table:
    """Queries chosen from a table of persons, diverse unless another strategy is set."""
    folder.mkdir(exist_ok=True)
    paths = write_shards(folder, table, shards)
    return select_queries(
        table.drop_columns("vector"), paths, QueriesSettings(**{"strategy": "diverse", **settings})
    )


def test_fewer_persons_than_queries_gives_all_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(chosen_of(tmp_path, persons_table(unit_vectors(3, 6)))) == 3
    assert "queries, because there are no more persons" in caplog.text


@pytest.mark.parametrize("strategy", ["diverse", "random"])
def test_choice_is_the_same_for_any_shards(tmp_path: Path, strategy: str) -> None:
    table = persons_table(unit_vectors(60, 6), per_image=1)
    one, four = (chosen_of(tmp_path / str(n), table, n, strategy=strategy) for n in (1, 4))
    assert one.equals(four)
    assert len(set(one["person_id"].to_pylist())) == 5


def test_random_follows_its_seed(tmp_path: Path) -> None:
    table = persons_table(unit_vectors(60, 6), per_image=1)
    first, again, other = (
        chosen_of(tmp_path, table, strategy="random", seed=seed)["person_id"] for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("strategy", ["revealing", "diverse", "random"])
def test_nobody_to_choose_from(tmp_path: Path, strategy: str) -> None:
    nobody = persons_table(unit_vectors(1, 6)).slice(0, 0)
    assert len(chosen_of(tmp_path, nobody, strategy=strategy)) == 0


@pytest.mark.parametrize("own", [1, 0])
def test_own_pictures_alone_are_queries_too(tmp_path: Path, own: int) -> None:
    """With queries.count 0 they are the only queries; there may be nobody in them."""
    table, schema = persons_table(unit_vectors(6, 6)), with_vector(QUERIES, 6)
    row = dict.fromkeys(schema.names) | {"picture": "me.jpg", "vector": [0.5] * 6}
    pictures = pa.Table.from_pylist([row] * own, schema)
    write_table(tmp_path / "own.parquet", [pictures], schema)
    queries = select_queries(
        table.drop_columns("vector"),
        write_shards(tmp_path, table, 1),
        QueriesSettings(count=0),
        str(tmp_path / "own.parquet"),
    )
    assert queries["picture"].to_pylist() == ["me.jpg"] * own


def test_candidates_are_the_clear_detections() -> None:
    table = persons_table(unit_vectors(60, 6))  # scores fall with the row, heights are equal
    assert candidates(table, 5).tolist() == list(range(30))
    assert candidates(table, 40).tolist() == list(range(60))


def test_named_persons_are_taken_in_their_order(tmp_path: Path) -> None:
    table = persons_table(unit_vectors(30, 6))
    queries = chosen_of(tmp_path, table, persons=(9002, 2000))
    assert queries["person_id"].to_pylist() == [9002, 2000]
    assert queries["role"].to_pylist() == ["named", "named"]
    rows = [table["person_id"].to_pylist().index(person) for person in (9002, 2000)]
    assert np.array_equal(vectors_of(queries), vectors_of(table)[rows])


def test_unknown_person_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries\.persons: 777 is not in the search set"):
        chosen_of(tmp_path, persons_table(unit_vectors(6, 6)), persons=(1000, 777))
