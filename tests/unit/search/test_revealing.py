"""Each role goes to the person made for it, and the numbers in its reason are right."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, unit_vectors, write_shards
from visualsearch.data.person_order import in_person_order, vectors_of_rows
from visualsearch.data.tables import write_table
from visualsearch.data.vectors import l2_normalised, vector_column, vectors_of
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.full_length import centred
from visualsearch.search.queries import Evidence, candidates, select_queries
from visualsearch.search.revealing import Choice, Surroundings, choose_revealing, surroundings
from visualsearch.settings import QueriesSettings

LENGTH, KEPT = 40, 12

# Groups of persons, each person in a picture of its own unless said otherwise. How far each strays
# from its group's centre decides how dense the group is.
DENSE, LOOSE, PAIRED = range(30), range(30, 90), range(90, 120)
CROWD = range(120, 127)  # one picture
OUTLIER, SMALL, FAINT_OUTLIER = 127, 128, 129
N = 130


def made_set(folder: Path, shards: int = 2, **changes: object) -> tuple[pa.Table, list, Evidence]:
    """A set in which each role has one right answer; `changes` replace whole columns."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(12, LENGTH))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.empty((N, LENGTH))
    vectors[DENSE] = centres[0] + rng.normal(scale=0.01, size=(30, LENGTH))
    # The middle of the dense group: nearer to all of it than any other of it is.
    vectors[7] = vectors[DENSE].mean(axis=0)
    vectors[LOOSE] = centres[1] + rng.normal(scale=0.15, size=(60, LENGTH))
    vectors[PAIRED] = centres[2] + rng.normal(scale=0.1, size=(30, LENGTH))
    vectors[CROWD] = centres[3] + rng.normal(scale=0.1, size=(7, LENGTH))
    vectors[SMALL] = centres[1] + rng.normal(scale=0.1, size=LENGTH)
    vectors[OUTLIER] = -centres[:4].sum(axis=0) + centres[6]
    vectors[FAINT_OUTLIER] = -2 * centres[:4].sum(axis=0) - centres[7]
    vectors = vectors.astype(np.float32)
    image_id = np.arange(1, N + 1)
    image_id[list(CROWD)] = image_id[CROWD[0]]
    image_id[127:] = image_id[CROWD[0]] + np.arange(1, 4)
    det_index = np.zeros(N, dtype=int)
    det_index[list(CROWD)] = range(7)
    score, h = np.full(N, 0.9), np.full(N, 200.0)
    # Three are small, and one of them is clear.
    h[[SMALL, 40, 41]], score[[SMALL, 40]] = [60, 50, 55], [0.95, 0.7]
    score[FAINT_OUTLIER] = 0.6  # the farthest outlier, but perhaps no person
    columns = {
        "person_id": image_id * 1000 + det_index,
        "image_id": image_id,
        "det_index": det_index,
        "score": score,
        "x": np.full(N, 300.0),
        "y": np.full(N, 100.0),
        "w": np.full(N, 80.0),
        "h": h,
        "vector": vector_column(vectors),
        **changes,
    }
    columns["x"][list(CROWD)] = [10, 70, 130, 190, 250, 310, 910]  # five pairs overlap
    columns["score"][CROWD[3]] = 0.93  # the clearest of those that others overlap
    columns["score"][CROWD[6]] = 0.99  # the clearest of all, and it stands apart
    schema = persons_table(vectors).schema
    return files_of(folder, pa.table(columns).cast(schema), shards)


def files_of(folder: Path, table: pa.Table, shards: int = 2) -> tuple[pa.Table, list, Evidence]:
    """Embeddings of `table`, its reduction, reduced vectors and a manifest, as the stages do it."""
    folder.mkdir(exist_ok=True)
    vectors = vectors_of(table)
    n, length = vectors.shape
    kept = min(KEPT, n - 1)
    reduction = fit_reduction([vectors], n, length, kept, 0.5)
    reduction.save(folder / "model.npz")
    short = table.drop_columns("vector").append_column(
        "vector", vector_column(reduction.transform(vectors))
    )
    for name in ("embeddings", "reduced"):
        (folder / name).mkdir()
    embeddings = write_shards(folder / "embeddings", table, shards)
    reduced = write_shards(folder / "reduced", short, shards)
    # More images than hold persons, of sizes that differ, and not by rising image_id.
    images = np.arange(table["image_id"].to_numpy().max() + 9)
    images = images[::-1]
    sizes = {
        "image_id": images,
        "width": 1000 + 100 * (images % 7),
        "height": 800 + 50 * (images % 5),
    }
    manifest = pa.table(sizes)
    write_table(folder / "manifest.parquet", [manifest], manifest.schema)
    evidence = Evidence(str(folder / "manifest.parquet"), embeddings, str(folder / "model.npz"))
    return table.drop_columns("vector"), reduced, evidence


def inside(table: pa.Table) -> pa.Table:
    """The same with boxes that end at no edge."""
    at = pa.array(np.full(len(table), 30, np.float32))
    return table.set_column(4, "x", at).set_column(5, "y", at)


def chosen(made: tuple[pa.Table, list, Evidence], **settings: Any) -> list[dict]:
    persons, reduced, evidence = made
    table = select_queries(persons, reduced, QueriesSettings(**settings), None, evidence)
    row_of = {person: row for row, person in enumerate(persons["person_id"].to_pylist())}
    return [query | {"row": row_of[query["person_id"]]} for query in table.to_pylist()]


def test_each_role_goes_to_the_person_made_for_it(tmp_path: Path) -> None:
    queries = {query["role"]: query for query in chosen(made_set(tmp_path))}
    assert list(queries) == ["typical", "rare", "small", "crowd", "surest"]
    assert queries["typical"]["row"] == 7
    assert queries["rare"]["row"] == OUTLIER
    assert queries["small"]["row"] == SMALL
    assert queries["crowd"]["row"] == CROWD[3]
    assert queries["surest"]["row"] not in DENSE
    assert "60 px high, where half of all are 200 px or more" in queries["small"]["reason"]
    assert "7 are in its picture, and 2 other boxes overlap" in queries["crowd"]["reason"]


def test_numbers_in_the_reasons_are_those_of_the_gallery(tmp_path: Path) -> None:
    """Compared with brute force."""
    made = made_set(tmp_path)
    persons, reduced, evidence = made
    vectors = vectors_of_rows(reduced, np.arange(N)).astype(np.float64)
    full = vectors_of_rows(evidence.embeddings, np.arange(N)).astype(np.float64)
    full /= np.linalg.norm(full, axis=1, keepdims=True)
    full -= full.mean(axis=0)
    full /= np.linalg.norm(full, axis=1, keepdims=True)
    images = persons["image_id"].to_numpy()
    queries = {query["role"]: query for query in chosen(made)}

    def others(space: np.ndarray, row: int) -> tuple[list[int], np.ndarray]:
        cosines = np.where(images == images[row], -9, space @ space[row])
        order = np.argsort(-cosines, kind="stable")
        return order.tolist(), cosines[order]

    clear = candidates(persons, 5)
    density = {row: others(vectors, row)[1][:10].mean() for row in clear.tolist()}
    values, n = np.array(list(density.values())), len(clear)
    for role in ("typical", "rare", "surest"):
        mine = density[queries[role]["row"]]
        beyond = (values > mine).sum() if role == "rare" else (values < mine - 1e-6).sum()
        assert (
            f"a mean cosine of {mine:.2f}, {'less' if role == 'rare' else 'more'} than {beyond} of "
            f"the {n} compared; their median is {np.median(values):.2f}"
        ) in queries[role]["reason"]
    row = queries["surest"]["row"]
    same = len({*others(vectors, row)[0][:10]} & {*others(full, row)[0][:10]})
    assert f"{same} of its 10 nearest are the same" in queries["surest"]["reason"]
    # The typical person's region is shown already.
    elsewhere = [value for other, value in density.items() if other not in DENSE]
    assert density[row] >= np.quantile(elsewhere, 0.9) - 1e-6


def test_if_nobody_is_small_a_cut_off_person_is_chosen(tmp_path: Path) -> None:
    x, y, w, h = np.full(N, 300.0), np.full(N, 100.0), np.full(N, 80.0), np.full(N, 200.0)
    x[40] = 4  # at one edge
    x[55], y[55] = 1000 - 80 - 5, 850 - 200 + 1  # image 56, of 1000 x 850: at two
    x[60] = 30  # near an edge, and not at it
    queries = chosen(made_set(tmp_path, x=x, y=y, w=w, h=h))
    (query,) = [query for query in queries if query["role"] == "cut-off"]
    assert query["row"] == 55
    assert query["reason"] == "cut off: its box ends at the right and bottom edges of its picture"


def test_the_reason_of_a_small_person_names_the_edges(tmp_path: Path) -> None:
    x = np.full(N, 300.0)
    x[SMALL] = 2
    queries = {query["role"]: query for query in chosen(made_set(tmp_path, x=x))}
    assert queries["small"]["row"] == SMALL
    assert queries["small"]["reason"].endswith(", and cut off at the left edge of its picture")


def test_roles_nobody_fits_are_filled_by_the_farthest_point(tmp_path: Path) -> None:
    """Boxes of one size, inside their pictures, one a picture: nobody is small or in a crowd."""
    queries = chosen(files_of(tmp_path, inside(persons_table(unit_vectors(60, LENGTH), 1))))
    assert [query["role"] for query in queries] == [
        "typical", "rare", "surest", "diverse", "diverse",
    ]  # fmt: skip
    assert len({query["person_id"] for query in queries}) == 5


def test_surest_is_near_and_confirmed() -> None:
    """Of 40: 0 to 3 are the nearest tenth, 0 is typical and 1 beside it. 9 is confirmed most, and
    its neighbours are far."""
    persons = inside(persons_table(unit_vectors(80, 4), per_image=1)).drop_columns("vector")
    nearest = np.tile(np.arange(60, 70), (40, 1))
    nearest[0] = [*range(70, 79), 1]
    density = np.full(40, 0.2)
    density[20:] = 0.1
    density[:4] = [0.9, 0.7, 0.5, 0.6]
    density[4:6] = 0.4
    same = np.full(40, 5)
    same[[1, 2, 3, 9]] = [10, 8, 7, 10]
    sizes = np.full((80, 2), 300)

    def surest() -> Choice | None:
        around = Surroundings(np.arange(40), nearest, density, same)
        found = [c for c in choose_revealing(persons, sizes, around, 5) if c.role == "surest"]
        return found[0] if found else None

    assert surest() == (
        2,
        "surest",
        "surest of its neighbours: 8 of its 10 nearest are the same by the full-length vectors "
        "(5.4 on average), and they are near: a mean cosine of 0.50, more than 36 of the 40 "
        "compared; their median is 0.15",
    )
    same[3] = 8  # as many, and nearer
    assert surest()[0] == 3
    nearest[0, 9] = 79  # 1 is no longer beside the typical one
    assert surest()[0] == 1
    same[:6] = 4  # fewer than the median person's
    assert surest() is None
    same[:4], density[:] = 10, 0.2  # nobody is nearer than others
    assert surest() is None


def test_words_follow_from_the_numbers(tmp_path: Path) -> None:
    """In a set in which nobody is near anybody, no reason says so."""
    table = persons_table(unit_vectors(300, 64), per_image=1)
    for query in chosen(files_of(tmp_path, inside(table))):
        assert "dense" not in query["reason"] and "far from" not in query["reason"]


@pytest.mark.parametrize("count", [1, 3, 5, 8, 20])
def test_count_takes_the_first_or_goes_on(tmp_path: Path, count: int) -> None:
    made = made_set(tmp_path)
    five = [query["person_id"] for query in chosen(made)]
    queries = chosen(made, count=count)
    ids = [query["person_id"] for query in queries]
    assert len(set(ids)) == count
    assert ids[:5] == five[:count]
    assert {query["role"] for query in queries[5:]} <= {"diverse"}
    assert len({query["image_id"] for query in queries}) == count


def test_farthest_points_are_far_from_the_roles_too(tmp_path: Path) -> None:
    persons, reduced, evidence = made_set(tmp_path)
    queries = chosen((persons, reduced, evidence), count=6)
    vectors = vectors_of_rows(reduced, np.array([query["row"] for query in queries]))
    most = float((vectors[:5] @ vectors[5]).max())
    assert f"(cosine at most {most:.2f})" in queries[5]["reason"]


def test_two_persons_of_an_image_only_if_there_is_no_other(tmp_path: Path) -> None:
    """The outlier stands in the crowd's picture, so another one is the rare one."""
    image_id = np.arange(1, N + 1)
    image_id[list(CROWD)] = 121
    image_id[127:] = [121, 125, 126]
    det_index = np.zeros(N, dtype=int)
    det_index[list(CROWD)], det_index[OUTLIER] = range(7), 7
    made = made_set(
        tmp_path, image_id=image_id, det_index=det_index, person_id=image_id * 1000 + det_index
    )
    queries = chosen(made)
    assert len({query["image_id"] for query in queries}) == 5
    assert OUTLIER not in {query["row"] for query in queries}


@pytest.mark.parametrize("per_image", [1, 9])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_small_sets_give_everybody_once(tmp_path: Path, n: int, per_image: int) -> None:
    queries = chosen(files_of(tmp_path, persons_table(unit_vectors(n, 8), per_image)))
    assert sorted(query["row"] for query in queries) == list(range(n))
    assert all(query["role"] and query["reason"] for query in queries)
    assert not any("nan" in query["reason"] for query in queries)


def test_choice_is_the_same_for_any_shards(tmp_path: Path) -> None:
    one, four = (chosen(made_set(tmp_path / str(n), n), count=9) for n in (1, 4))
    assert one == four


def test_surroundings_are_those_of_brute_force(tmp_path: Path) -> None:
    """In several blocks, and with several persons an image."""
    n = 2500
    rng = np.random.default_rng(1)
    table = persons_table(rng.normal(size=(n, 16)).astype(np.float32), per_image=4)
    persons, reduced, evidence = files_of(tmp_path, table, 3)
    rows = np.array([3, 1024, 2047, 2499])
    images = persons["image_id"].to_numpy()
    mean = Reduction.load(evidence.model).mean
    around = surroundings(rows, images, reduced, evidence.embeddings, mean)
    short = vectors_of(pa.concat_tables(in_person_order(reduced, 100)))
    full = centred(vectors_of(table), mean)
    for n_th, row in enumerate(rows):
        there = images != images[row]
        order, exact = (
            np.argsort(-np.where(there, space @ space[row], -9)) for space in (short, full)
        )
        cosines = (short @ short[row])[order]
        assert around.nearest[n_th].tolist() == order[:10].tolist()
        assert around.local_density[n_th] == pytest.approx(cosines[:10].mean(), abs=1e-5)
        assert around.same[n_th] == len(set(order[:10]) & set(exact[:10]))
    assert 0 < around.same.mean() < 10


def test_centred_is_what_the_reduction_shortens() -> None:
    """All components and no whitening keep every cosine of the centred vectors."""
    vectors = np.abs(np.random.default_rng(0).normal(size=(30, 8))).astype(np.float32)
    reduction = fit_reduction([vectors], 30, 8, 8, 0.0)
    short, full = reduction.transform(vectors), centred(vectors, reduction.mean)
    assert short @ short.T == pytest.approx(full @ full.T, abs=1e-5)
    raw = l2_normalised(vectors)
    assert np.abs(raw @ raw.T - full @ full.T).max() > 0.5
