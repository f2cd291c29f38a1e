"""Times queries of an index beside exact search; the only result that depends on the clock."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json, temporary_beside, write_json
from visualsearch.core.progress import progress
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.tables import count_rows
from visualsearch.index.building import vectors_in_order
from visualsearch.index.exact_backend import ExactBackend, ExactFile
from visualsearch.index.index import Index
from visualsearch.index.opening import open_index
from visualsearch.index.recall import RECALL_AT, sampled_rows

log = logging.getLogger(__name__)

MAX_QUERIES = 50
WARM_UP = 5
ROUNDS = 5
PROJECTED = (1, 10, 100)
# Medians of one search timed against itself differed by up to 12 % in 25 trials, so only a larger
# difference counts. Where both take as long, exact search is better, as it finds everything.
CLEARLY_FASTER = 0.8
# The least of the sizes at which docs/performance.md compares the backends; faiss leads at all.
FAISS_FROM = 45_000
# Bytes before the numbers of a .npy file.
HEADER_BYTES = 128


def time_index(reduced: Sequence[str], index: str, sidecar: str, timing: str) -> None:
    """Time an index and exact search over the same vectors, with one thread; write JSON.

    reduced: shards of reduced vectors. index, sidecar: paths of the index. timing: path to write.
    Times are milliseconds a query for ten neighbours.
    """
    opened = open_index(index, read_json(sidecar))
    exact = ExactBackend()
    shape = count_rows(reduced), opened.sidecar["dimension"]
    # Exact search maps a file too, as it does as a backend.
    with temporary_beside(Path(timing).with_name("vectors.npy")) as path:
        exact.build(vectors_in_order(reduced), str(path), shape, {})
        write_json(timing, timed(opened, exact.load(str(path), opened.sidecar)))


def timed(index: Index, vectors: ExactFile) -> dict[str, Any]:
    """What `time_index` writes. vectors: all that are in the index."""
    if not len(index):
        return {"advice": None, "advice_text": "Nobody is there to be searched for."}
    _, rows = sampled_rows(len(index))
    rows = rows[evenly_spaced(len(rows), MAX_QUERIES)]
    effort_name, curve = index.backend.effort_name, index.sidecar["tuning"]["curve"]
    searches: dict[Any, Index] = {
        "exact": Index(index.sidecar, ExactBackend(), vectors),
        "chosen": index,
        **{point[effort_name]: index.at(point[effort_name]) for point in curve},
    }
    milliseconds = _milliseconds(searches, vectors.vectors[rows])
    chosen, plain = milliseconds["chosen"], milliseconds["exact"]
    advice, text = advice_on(index.sidecar, chosen, plain)
    log.info("%s", text)
    return {
        "curve": [
            {
                effort_name: point[effort_name],
                "recall@10": point["recall@10"],
                "milliseconds": milliseconds[point[effort_name]],
            }
            for point in curve
        ],
        "chosen_milliseconds": chosen,
        "exact_milliseconds": plain,
        "advice": advice,
        "advice_text": text,
        **_projection(index.sidecar, chosen, plain),
    }


def _milliseconds(searches: dict[Any, Index], queries: NDArray[np.float32]) -> dict[Any, float]:
    """Median time of a query for each of several searches.

    The searches take turns, so that other work on the machine slows all alike.
    """
    taken: dict[Any, list[float]] = {name: [] for name in searches}
    with threadpool_limits(1):
        for _ in progress(range(ROUNDS), "time the index", "rounds"):
            for name, index in searches.items():
                for query in queries[:WARM_UP]:
                    index.query(query, RECALL_AT[-1])
                for query in queries:
                    start = time.perf_counter()
                    index.query(query, RECALL_AT[-1])
                    taken[name].append(time.perf_counter() - start)
    return {name: round(1000 * float(np.median(times)), 4) for name, times in taken.items()}


def advice_on(sidecar: dict[str, Any], chosen: float, plain: float) -> tuple[str | None, str]:
    """Advice on an index, and the reason in words: "keep", "use exact", or None for exact search.

    chosen, plain: milliseconds a query, of the index as it is set and of exact search.
    """
    persons = f"{sidecar['n_items']:,} person{'s' * (sidecar['n_items'] != 1)}"
    faster = ""
    if sidecar["backend"] != "faiss" and sidecar["n_items"] >= FAISS_FROM:
        faster = (
            " From this size on, index.backend: faiss is several times as fast as exact search and "
            "Annoy (docs/performance.md)."
        )
    if sidecar["backend"] == "exact":
        text = f"Exact search takes {plain:.2g} ms a query here and finds everything."
        return None, text + faster
    if chosen > CLEARLY_FASTER * plain:
        how = "faster" if plain <= CLEARLY_FASTER * chosen else "about as fast"
        return "use exact", (
            f"Exact search is {how} here and finds everything: it takes {plain:.2g} ms a query, "
            f"the index {chosen:.2g} ms. At this size ({persons}) set "
            f"index.backend: exact.{faster}"
        )
    text = (
        f"The index takes {chosen:.2g} ms a query here and exact search {plain:.2g} ms; at this "
        f"size ({persons}) the index is worth keeping."
    )
    if not sidecar["target_reached"]:
        text += (
            f" But it finds {sidecar['recall']['recall@10']:.3f} of the ten nearest, below the "
            f"target of {sidecar['target_recall']:g}."
        )
    return "keep", text + faster


def _projection(sidecar: dict[str, Any], chosen: float, plain: float) -> dict[str, Any]:
    n_items = sidecar["n_items"]
    exact_bytes = 4 * sidecar["dimension"] * n_items
    exponent = sidecar["tuning"].get("growth_exponent")
    basis = "A projection, not measured. Bytes and exact search's time grow with the persons"
    if sidecar["backend"] == "exact":
        basis += "."
    elif exponent is None:
        basis += "; so does the index's time, at most: a set this small does not show how it grows."
    else:
        subset = sidecar["tuning"]["builds"][-1]["n_items"]
        basis += (
            f"; the index's time as the vectors that a query at the target recall compares: "
            f"persons to the power {exponent:.2f}, from {subset:,} and {n_items:,} persons of this "
            "set."
        )
    power = 1.0 if exponent is None else exponent
    projection = [
        {
            "n_items": n_items * times,
            "index_bytes": sidecar["index_bytes"] * times,
            "milliseconds": round(chosen * times**power, 4),
            "exact_milliseconds": round(plain * times, 4),
            "exact_bytes": HEADER_BYTES + exact_bytes * times,
        }
        for times in PROJECTED
    ]
    return {"projection": projection, "projection_basis": basis}
