"""What the times of an index hold, and what is advised from them."""

import json
from pathlib import Path

import pytest

from helpers import built_index, unit_vectors
from visualsearch.index import REGISTRY
from visualsearch.index.exact_backend import ExactFile
from visualsearch.index.opening import open_index
from visualsearch.index.timing import advice_on, time_index, timed


@pytest.mark.parametrize("backend", REGISTRY)
def test_timing_has_the_curve_and_exact_search_beside_it(tmp_path: Path, backend: str) -> None:
    sidecar = built_index(tmp_path, unit_vectors(400, 16), backend, n_trees=None, search_k=None)
    shards = sorted(map(str, tmp_path.glob("[0-9].parquet")))
    paths = (str(tmp_path / name) for name in ("index", "index.json", "timing.json"))
    time_index(shards, *paths)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    timing = json.loads((tmp_path / "timing.json").read_text())
    times = [timing["chosen_milliseconds"], timing["exact_milliseconds"]]
    times += [point.pop("milliseconds") for point in timing["curve"]]
    assert all(0 < time < 1000 for time in times)
    name = {"annoy": "search_k", "faiss": "candidates"}.get(backend, "")
    assert timing["curve"] == [
        {name: point[name], "recall@10": point["recall@10"]} for point in sidecar["tuning"]["curve"]
    ]
    assert timing["advice"] in ((None,) if backend == "exact" else ("keep", "use exact"))
    assert [entry["n_items"] for entry in timing["projection"]] == [400, 4000, 40_000]
    assert timing["projection"][0]["index_bytes"] == (tmp_path / "index").stat().st_size
    assert timing["projection"][0]["milliseconds"] == timing["chosen_milliseconds"]


@pytest.mark.parametrize(
    ("chosen", "plain", "advice", "how"),
    [
        (0.79, 1.0, "keep", "worth keeping"),
        (0.8, 1.0, "keep", "worth keeping"),
        (0.81, 1.0, "use exact", "about as fast"),
        (1.0, 0.81, "use exact", "about as fast"),
        (1.0, 0.8, "use exact", "is faster"),
        (3.0, 1.0, "use exact", "is faster"),
    ],
)
def test_only_a_clear_difference_in_time_keeps_an_index(
    chosen: float, plain: float, advice: str, how: str
) -> None:
    sidecar = {"backend": "annoy", "n_items": 9000, "target_reached": True}
    got, text = advice_on(sidecar, chosen, plain)
    assert got == advice and how in text and "9,000 persons" in text
    assert ("set index.backend: exact" in text) == (advice == "use exact")
    assert advice_on(sidecar | {"backend": "exact"}, chosen, plain)[0] is None


@pytest.mark.parametrize("backend", REGISTRY)
@pytest.mark.parametrize("chosen", [0.1, 1.0])
def test_large_sets_are_advised_to_take_faiss(backend: str, chosen: float) -> None:
    sidecar = {"backend": backend, "n_items": 44_999, "target_reached": True}
    assert "faiss" not in advice_on(sidecar, chosen, 1.0)[1]
    _, text = advice_on(sidecar | {"n_items": 45_000}, chosen, 1.0)
    assert ("index.backend: faiss is several times as fast" in text) == (backend != "faiss")


def test_a_faster_index_is_kept_and_projected(tmp_path: Path) -> None:
    """A search that looks into one leaf, against 20,000 comparisons."""
    vectors = unit_vectors(20_000, 64)
    sidecar = built_index(tmp_path, vectors, "annoy", n_trees=1, search_k=1, target_recall=0.01)
    timing = timed(open_index(tmp_path / "index", sidecar), ExactFile(vectors))
    assert timing["advice"] == "keep"
    assert timing["advice_text"].endswith("the index is worth keeping.")
    once, ten, hundred = timing["projection"]
    assert hundred["exact_bytes"] == 128 + 4 * 64 * 2_000_000
    assert ten["exact_milliseconds"] == pytest.approx(10 * once["exact_milliseconds"], rel=1e-3)
    power = sidecar["tuning"]["growth_exponent"]
    assert hundred["milliseconds"] == pytest.approx(once["milliseconds"] * 100**power, rel=1e-2)
    assert "not measured" in timing["projection_basis"]
    missed = sidecar | {"target_recall": 0.99, "target_reached": False}
    timing = timed(open_index(tmp_path / "index", missed), ExactFile(vectors))
    assert "below the target of 0.99" in timing["advice_text"]
