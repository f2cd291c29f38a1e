"""Measures of a whole search on sets made by hand, whose neighbours are known."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from visualsearch.data.tables import PERSONS, open_table, write_table
from visualsearch.data.vectors import l2_normalised, vector_column, with_vector
from visualsearch.embed.distortion import DISTORTED, with_both_ways
from visualsearch.evaluate import mean_average_precision, search_quality
from visualsearch.evaluate.mean_average_precision import average_precision, random_average_precision
from visualsearch.evaluate.person_facts import person_facts
from visualsearch.evaluate.search_quality import measure_search
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import reduced_tables
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
        self.embeddings = [str(folder / f"embeddings-{shard}.parquet") for shard in (0, 1)]
        for shard, path in enumerate(self.embeddings):
            write_table(path, [table.filter(self.image_ids % 2 == shard)], table.schema)
        self.reduced = [str(folder / f"reduced-{shard}.parquet") for shard in (0, 1)]
        self.reduce()

    def reduce(self) -> None:
        """Write the reduced vectors."""
        schema = with_vector(PERSONS, self.reduction.n_components)
        for path, short in zip(self.embeddings, self.reduced, strict=True):
            with open_table(path) as file:
                write_table(short, reduced_tables(self.reduction, file), schema)

    def copies(self, mirrored: np.ndarray, unmirrored: np.ndarray) -> pa.Table:
        columns = {name: self.persons[name] for name in ("person_id", "image_id", *"xywh")}
        columns["vector"] = vector_column(mirrored)
        columns["vector_unmirrored"] = vector_column(unmirrored)
        return pa.table(columns).cast(with_both_ways(DISTORTED, {"vector": mirrored.shape[1]}))

    def measured(self, copies: pa.Table | None = None, **kinds: Any) -> dict[str, Any]:
        if copies is None:
            copies = self.copies(self.vectors, self.vectors)
        return measure_search(
            self.embeddings,
            self.reduced,
            self.persons,
            np.full((len(self.persons), 2), 1000),
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


def test_random_average_precision_is_the_mean_over_all_rankings() -> None:
    for relevant, n in ((1, 4), (2, 5), (3, 6), (4, 4)):
        every = [
            average_precision(np.isin(np.arange(n), places))
            for places in itertools.combinations(range(n), relevant)
        ]
        assert random_average_precision(relevant, n) == pytest.approx(np.mean(every))


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
    assert measures["pose_oks"]["value"] < 1  # their boxes are of other heights
    assert measures["pose_oks"]["persons"] == 24
    assert measures["pose"]["persons"] == measures["context"]["persons"] == 24


def test_box_shape_alone_is_a_yardstick(tmp_path: Path) -> None:
    """The clusters differ in their vectors only; heights, and with them shapes, rise by row."""
    made = Made(tmp_path, clustered())
    found = made.measured(labels=cluster_labels(made))
    beside, own = found["box_shape"]["label:pair"], found["measures"]["label:pair"]
    assert list(found["box_shape"]) == ["label:pair"]  # a moved copy has another shape of box
    heights = np.log(made.persons["h"].to_numpy())
    shares = []
    for row, image in enumerate(made.image_ids):
        # All touch no edge; log(w / h) falls as log(h / H) rises, so both count alike.
        away = np.where(made.image_ids == image, np.inf, np.abs(heights - heights[row]))
        ten = np.argsort(away)[:10]
        shares.append(np.mean(made.image_ids[ten] % 2 == image % 2))
    assert beside["value"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert beside["chance"] == own["chance"]
    assert beside["difference"] == pytest.approx(1 - beside["value"], abs=1e-6)
    assert beside["difference_interval"][0] > 0.3
    assert sum(stratum["persons"] for stratum in beside["by_height"]) == 48


def test_every_setting_is_compared_with_the_configured_one(tmp_path: Path) -> None:
    """Noise in the eight directions without clusters, which whitening makes larger."""
    rng = np.random.default_rng(1)
    vectors = clustered(spread=0.4)
    vectors[:, CLUSTERS:] += rng.normal(scale=0.3, size=(len(vectors), LENGTH - CLUSTERS))
    made = Made(tmp_path, vectors.astype(np.float32), n_components=12)
    found = made.measured(labels=cluster_labels(made))
    rows = {(row["n_components"], row["whiten_power"]): row for row in found["by_setting"]}
    assert list(rows) == [(n, power) for power in (0, 0.25, 0.5) for n in (8, 12)]
    assert rows[12, 0.5]["measures"]["label:pair"]["difference"] == 0
    by_components = {row["n_components"]: row["measures"] for row in found["by_components"]}
    assert by_components == {n: rows[n, 0.5]["measures"] for n in (8, 12)}
    # Another power is measured as a run with that power measures itself.
    made.reduction = fit_reduction([made.vectors], len(vectors), LENGTH, 12, 0.0)
    made.reduce()
    own = made.measured(labels=cluster_labels(made))["measures"]
    for name in ("label:pair", "self"):
        there, here = (one.get("rank1", one) for one in (rows[12, 0]["measures"][name], own[name]))
        assert there["value"] == here["value"] and there["interval"] == here["interval"]
    preferred = found["preferred_setting"]
    assert preferred["settings_compared"] == 6
    assert preferred["measures_counted"] == ["label:pair", "self"]


def test_one_image_alone_gives_no_neighbours_and_no_crash(tmp_path: Path) -> None:
    made = Made(tmp_path, clustered()[:2], n_components=8)
    found = made.measured()
    assert found["reduced_against_full_length"]["recall@1"] is None
    assert found["measures"]["self"]["rank1"]["value"] == 1
