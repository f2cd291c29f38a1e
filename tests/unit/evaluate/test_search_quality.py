"""Measures of a whole search on sets made by hand, whose neighbours are known."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from visualsearch.data.tables import PERSONS, open_table, vector_column, with_vector, write_table
from visualsearch.embed.distortion import with_two_vectors
from visualsearch.evaluate import mean_average_precision, search_quality
from visualsearch.evaluate.mean_average_precision import average_precision, random_average_precision
from visualsearch.evaluate.person_facts import person_facts
from visualsearch.evaluate.search_quality import component_numbers, measure_search, prefix
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction, l2_normalised, reduced_tables
from visualsearch.settings import EvaluationSettings

SETTINGS = EvaluationSettings(resamples=200)
LENGTH = 16
CLUSTERS, IN_CLUSTER = 4, 12


def clustered(spread: float = 0.05) -> np.ndarray:
    """Four clusters of twelve; row i is of cluster i % 4."""
    rng = np.random.default_rng(5)
    centres = np.eye(CLUSTERS, LENGTH) * 3
    rows = np.arange(CLUSTERS * IN_CLUSTER)
    noise = rng.normal(scale=spread, size=(len(rows), LENGTH))
    return (centres[rows % CLUSTERS] + noise + 0.5).astype(np.float32)


class Made:
    """A set written as the workflow writes it: two persons an image, in two shards."""

    def __init__(self, folder: Path, vectors: np.ndarray, n_components: int = 8) -> None:
        n = len(vectors)
        self.image_ids = np.arange(n) // 2
        person_ids = self.image_ids * 1000 + np.arange(n) % 2
        ones = np.ones(n)
        columns = {
            "person_id": person_ids,
            "image_id": self.image_ids,
            "det_index": np.arange(n) % 2,
            "score": ones * 0.9,
            "x": ones * 10,
            "y": ones * 20,
            "w": ones * 50,
            "h": np.linspace(50, 400, n),
            "vector": vector_column(vectors),
        }
        table = pa.table(columns).cast(with_vector(PERSONS, vectors.shape[1]))
        self.persons = table.select(PERSONS.names)
        self.vectors = vectors
        self.reduction = fit_reduction([vectors], n, vectors.shape[1], n_components, 0.5)
        self.embeddings, self.reduced = [], []
        for shard in (0, 1):
            path = folder / f"embeddings-{shard}.parquet"
            write_table(path, [table.filter(self.image_ids % 2 == shard)], table.schema)
            short = folder / f"reduced-{shard}.parquet"
            with open_table(path) as file:
                schema = with_vector(PERSONS, self.reduction.n_components)
                write_table(short, reduced_tables(self.reduction, file), schema)
            self.embeddings.append(str(path))
            self.reduced.append(str(short))

    def copies(self, mirrored: np.ndarray, unmirrored: np.ndarray) -> pa.Table:
        columns = {name: self.persons[name] for name in ("person_id", "image_id", *"xywh")}
        columns["vector"] = vector_column(mirrored)
        columns["vector_unmirrored"] = vector_column(unmirrored)
        return pa.table(columns).cast(with_two_vectors(mirrored.shape[1]))

    def measured(self, copies: pa.Table | None = None, **kinds: Any) -> dict[str, Any]:
        if copies is None:
            copies = self.copies(self.vectors, self.vectors)
        return measure_search(
            self.embeddings,
            self.reduced,
            self.persons,
            self.reduction,
            kinds.get("facts"),
            kinds.get("labels", pd.DataFrame()),
            copies,
            SETTINGS,
            kinds.get("rerank", 0),
        )


def cluster_labels(made: Made) -> pd.DataFrame:
    """Images hold two persons of neighbouring clusters: 0 and 1, or 2 and 3."""
    images = np.unique(made.image_ids)
    return pd.DataFrame({"pair": np.where(images % 2 == 0, "low", "high")}, index=images)


def test_neighbours_in_the_cluster_agree_in_label(tmp_path: Path) -> None:
    made = Made(tmp_path, clustered())
    found = made.measured(labels=cluster_labels(made))["measures"]["label:pair"]
    assert found["value"] == 1
    # Of the 46 persons in other images, 22 are in images of the same label.
    assert found["chance"] == pytest.approx(22 / 46, abs=1e-6)
    assert found["lift_interval"] == [pytest.approx(24 / 46, abs=1e-6)] * 2
    assert sum(stratum["persons"] for stratum in found["by_height"]) == 48


def test_ranking_by_label_is_perfect_in_clusters_of_the_label(tmp_path: Path) -> None:
    made = Made(tmp_path, clustered())
    found = made.measured(labels=cluster_labels(made))["mean_average_precision"]["pair"]
    # The own cluster, 11 others elsewhere, comes first; the rest depends on the noise.
    assert found["value"] > 0.7
    assert found["chance"] == pytest.approx(random_average_precision(22, 46), abs=1e-6)
    shuffled = cluster_labels(made)
    shuffled["pair"] = np.random.default_rng(0).permutation(shuffled["pair"])
    assert made.measured(labels=shuffled)["measures"]["label:pair"]["value"] < 0.8


def test_random_pairs_are_of_all_in_other_images(tmp_path: Path) -> None:
    """Of 48 persons in pairs every pair of two images counts; reranked, by full-length vectors."""
    made = Made(tmp_path, clustered(spread=1.0))
    apart = made.image_ids[:, None] != made.image_ids
    unit = made.vectors / np.linalg.norm(made.vectors, axis=1, keepdims=True)
    unit -= unit.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for rerank, vectors in ((0, made.reduction.transform(made.vectors)), (12, unit)):
        found = made.measured(rerank=rerank)["random_pairs"]
        cosines = (vectors @ vectors.T)[apart]
        assert found["pairs"] == len(cosines) == 48 * 46
        assert found["median"] == pytest.approx(np.median(cosines), abs=1e-5)
        assert found["percentile_99"] == pytest.approx(np.quantile(cosines, 0.99), abs=1e-5)


def test_a_single_image_has_no_random_pairs() -> None:
    none = np.full((2, 2), -np.inf, dtype=np.float32)
    expected = {"pairs": 0, "median": None, "percentile_99": None}
    assert search_quality.scale_of(none) == search_quality.scale_of(none[:0]) == expected


def test_in_blocks_is_as_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows and few rankings at a time, against all rows in one block and all rankings held."""
    made = Made(tmp_path, clustered(spread=1.0))
    kinds = {"labels": cluster_labels(made), "rerank": 12}
    whole = made.measured(**kinds)
    monkeypatch.setattr(search_quality, "BATCH_ROWS", 7)
    monkeypatch.setattr(mean_average_precision, "BATCH_ROWS", 7)
    monkeypatch.setattr(mean_average_precision, "MAX_RANKED", 5 * len(made.vectors))
    assert made.measured(**kinds) == whole
    assert 0.5 < whole["mean_average_precision"]["pair"]["value"] < 1


def test_a_copy_finds_its_original_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    made = Made(tmp_path, clustered())
    wrong = np.roll(made.vectors, 1, axis=0)
    measures = made.measured(made.copies(wrong, made.vectors))["measures"]
    assert measures["self_unmirrored"]["rank1"]["value"] == 1
    assert measures["self_unmirrored"]["worst_rank"] == 1
    assert measures["self"]["rank1"]["value"] == 0
    # The wrong original is in another cluster, behind all twelve of its own.
    assert measures["self"]["median_rank"] > 12


def test_whole_directions_lose_nothing_and_few_lose_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(60, LENGTH)).astype(np.float32)
    made = Made(tmp_path, vectors, n_components=LENGTH)
    rows = {row["n_components"]: row for row in made.measured()["by_components"]}
    assert sorted(rows) == [8, 16]
    assert rows[16]["recall_without_whitening"]["recall@10"] == 1
    assert 0.3 < rows[8]["recall_without_whitening"]["recall@10"] < 0.95
    assert rows[8]["explained_variance"] < rows[16]["explained_variance"] == pytest.approx(1)


def test_share_of_neighbours_in_the_same_image(tmp_path: Path) -> None:
    """Both persons of an image are almost equal, so each is the other's first neighbour."""
    rng = np.random.default_rng(4)
    vectors = np.repeat(rng.normal(size=(24, LENGTH)), 2, axis=0)
    vectors += rng.normal(scale=0.01, size=vectors.shape)
    found = Made(tmp_path, vectors.astype(np.float32)).measured()
    assert found["same_image"]["value"] == pytest.approx(0.1)


def test_reranking_everything_gives_the_full_length_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    made = Made(tmp_path, rng.normal(size=(60, LENGTH)).astype(np.float32), n_components=4)
    labels = pd.DataFrame({"k": [str(i % 3) for i in range(30)]}, index=range(30))
    found = made.measured(labels=labels, rerank=60)["rerank"]
    assert found["candidates"] == 60
    assert 0.2 < found["changed"]["value"] < 0.9
    # The centred full-length vectors must find the same.
    unit = l2_normalised(l2_normalised(made.vectors) - made.reduction.mean)
    shares = []
    for row in range(60):
        cosines = unit @ unit[row]
        cosines[made.image_ids == made.image_ids[row]] = -9
        ten = np.argsort(-cosines)[:10]
        shares.append(np.mean(made.image_ids[ten] % 3 == made.image_ids[row] % 3))
    assert found["measures"]["label:k"]["value"] == pytest.approx(np.mean(shares), abs=1e-6)


def test_a_shorter_reduction_is_a_prefix(tmp_path: Path) -> None:
    vectors = clustered(spread=0.5)
    long, short = (fit_reduction([vectors], len(vectors), LENGTH, n, 0.5) for n in (10, 4))
    cut = Reduction(
        long.mean,
        long.components[:4],
        long.explained_variance,
        long.explained_variance_ratio,
        0.5,
        long.n_persons,
    )
    assert prefix(long.transform(vectors), 4) == pytest.approx(cut.transform(vectors), abs=1e-5)
    assert np.abs(cut.transform(vectors)) == pytest.approx(
        np.abs(short.transform(vectors)), abs=1e-3
    )


@pytest.mark.parametrize(("kept", "numbers"), [(256, [8, 16, 32, 64, 128, 256]), (5, [5])])
def test_component_numbers(kept: int, numbers: list[int]) -> None:
    assert component_numbers(kept) == numbers


def test_random_average_precision_is_the_mean_over_all_rankings() -> None:
    for relevant, n in ((1, 4), (2, 5), (3, 6), (4, 4)):
        every = [
            average_precision(np.isin(np.arange(n), places))
            for places in itertools.combinations(range(n), relevant)
        ]
        assert random_average_precision(relevant, n) == pytest.approx(np.mean(every))


def test_facts_are_those_of_the_matched_annotation() -> None:
    rows = [(1000, 1, 0, 0), (1001, 1, 50, 0), (2000, 2, 0, 0), (3000, 3, 0, 0)]
    persons = pa.table(
        {
            "person_id": [row[0] for row in rows],
            "image_id": [row[1] for row in rows],
            "det_index": [0, 1, 0, 0],
            "score": [0.9] * 4,
            "x": [row[2] for row in rows],
            "y": [row[3] for row in rows],
            "w": [20] * 4,
            "h": [100] * 4,
        }
    ).cast(PERSONS)
    points = [10, 50, 2, *[0] * 48]

    def annotation(image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
        return {"image_id": image, "category_id": category, "bbox": box, "iscrowd": 0} | more

    annotations = {
        "categories": [
            {"id": 1, "name": "person"}, {"id": 7, "name": "train"}, {"id": 9, "name": "boat"},
        ],
        "annotations": [
            annotation(1, 1, [50, 0, 20, 100], keypoints=points),
            annotation(1, 9, [0, 0, 5, 5]),
            annotation(2, 1, [0, 0, 20, 100], iscrowd=1),
            annotation(2, 7, [0, 0, 5, 5]),
        ],
    }  # fmt: skip
    facts = person_facts(annotations, persons, "person")
    assert facts.matched.tolist() == [False, True, False, False]
    assert facts.context[1].tolist() == [False, True]  # train, boat
    assert not facts.context[[0, 2, 3]].any()
    assert facts.keypoints[1, 0] == pytest.approx([(10 - 50) / 20, 0.5])
    assert np.isnan(facts.keypoints[1, 1:]).all()


def test_pose_and_context_of_neighbours(tmp_path: Path) -> None:
    """Clusters stand each in its own pose and surroundings."""
    made = Made(tmp_path, clustered())
    annotations = []
    for row, image in enumerate(made.image_ids):
        cluster = row % CLUSTERS
        box = [10, 20, 50, float(made.persons["h"][row].as_py())]
        # Two persons of one image have one box here; a crowd of one keeps the second unmatched.
        if row % 2:
            continue
        points = [[10 + 50 * cluster / CLUSTERS, 20 + box[3] / 2, 2]] * 17
        annotations.append(
            {"image_id": int(image), "category_id": 1, "bbox": box, "iscrowd": 0,
             "keypoints": list(np.ravel(points))}
        )  # fmt: skip
        annotations.append(
            {"image_id": int(image), "category_id": 2 + cluster, "bbox": box, "iscrowd": 0}
        )
    categories = [{"id": i, "name": name} for i, name in enumerate(("person", *"abcd"), 1)]
    document = {"categories": categories, "annotations": annotations}
    facts = person_facts(document, made.persons, "person")
    assert facts.matched.sum() == 24
    measures = made.measured(facts=facts)["measures"]
    # Clusters 0 and 2 are matched; neighbours of the own cluster are in the same pose and place.
    assert measures["pose"]["value"] == pytest.approx(1)
    assert measures["context"]["value"] == pytest.approx(1)
    assert measures["context"]["chance"] == pytest.approx(11 / 23, abs=1e-6)
    assert measures["pose"]["chance"] < 0.9
    assert measures["pose"]["persons"] == measures["context"]["persons"] == 24


def test_one_image_alone_gives_no_neighbours_and_no_crash(tmp_path: Path) -> None:
    made = Made(tmp_path, clustered()[:2], n_components=8)
    found = made.measured()
    assert found["reduced_against_full_length"]["recall@1"] is None
    assert found["measures"]["self"]["rank1"]["value"] == 1
