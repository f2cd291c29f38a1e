"""How long a query takes, against exact search in the same run: what depends on the clock."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json, temporary_beside, write_json
from visualsearch.core.progress import progress
from visualsearch.core.sampling import evenly_spaced
from visualsearch.index import backend, exact_backend, parts_of
from visualsearch.index.building import vectors_in_order
from visualsearch.index.opening import Index, Paths, open_index
from visualsearch.index.recall import sampled_rows

log = logging.getLogger(__name__)

NEIGHBOURS = 10
MOST_QUERIES = 50
WARM_UP = 5
ROUNDS = 5
PROJECTED = (1, 10, 100)
# The medians of one search timed against itself differed by up to 12 % in 25 trials. A difference
# has to be larger to count; of two that take the same time, exact search finds more.
CLEARLY_FASTER = 0.8
# Bytes before the numbers of a .npy file.
HEADER_BYTES = 128


def time_index(
    reduced: Sequence[str], index: Paths, sidecar: str, timing: str, threads: int = 1
) -> None:
    """Time an index and exact search over the same vectors, by one thread; write JSON.

    reduced: shards of reduced vectors. index, sidecar: paths of the index. timing: path to write.
    Times are milliseconds a query of ten neighbours. threads: of an index of several parts, also
    the time when so many are asked at once.
    """
    opened = open_index(index, read_json(sidecar))
    shape = len(opened), opened.sidecar["dimension"]
    # In a file, as the exact backend has them: its pages may be dropped.
    with temporary_beside(Path(timing).with_name("vectors.npy")) as path:
        exact_backend.build(vectors_in_order(reduced), str(path), shape, {})
        vectors = exact_backend.load(str(path), opened.sidecar)
        write_json(timing, timed(opened, vectors, threads))


def timed(index: Index, vectors: NDArray[np.float32], threads: int = 1) -> dict[str, Any]:
    """What `time_index` writes. vectors: all that are in the index, float32 [N, D].

    Of an empty index no more than that it is.
    """
    if not len(index):
        return {"advice": None, "advice_text": "Nobody is there to be searched for."}
    module = backend(index.sidecar["backend"])
    _, rows = sampled_rows(len(index))
    queries = vectors[rows[evenly_spaced(len(rows), MOST_QUERIES)]]
    exact = Index({"n_items": len(vectors)}, exact_backend, [vectors])
    searches = {"exact": exact, "chosen": index}
    curve = index.sidecar["tuning"]["curve"]
    searches |= {point[module.PARAMETER]: index.at(point[module.PARAMETER]) for point in curve}
    if len(parts_of(index.sidecar)) > 1:
        searches["in_threads"] = replace(index, threads=threads)
    milliseconds = _milliseconds(searches, queries)
    chosen, plain = milliseconds["chosen"], milliseconds["exact"]
    advice, text = advice_on(index.sidecar, chosen, plain)
    log.info("%s", text)
    return {
        "curve": [
            {
                module.PARAMETER: point[module.PARAMETER],
                "recall@10": point["recall@10"],
                "milliseconds": milliseconds[point[module.PARAMETER]],
            }
            for point in curve
        ],
        "chosen_milliseconds": chosen,
        "exact_milliseconds": plain,
        **_threaded(threads, milliseconds),
        "advice": advice,
        "advice_text": text,
        **_projection(index.sidecar, chosen, plain),
    }


def _threaded(threads: int, milliseconds: dict[Any, float]) -> dict[str, Any]:
    """Of several parts, the time when more than one is asked at once."""
    if "in_threads" not in milliseconds:
        return {}
    return {"threads": threads, "threads_milliseconds": milliseconds["in_threads"]}


def _milliseconds(searches: dict[Any, Index], queries: NDArray[np.float32]) -> dict[Any, float]:
    """Median time of a query for each of several searches.

    They take turns, so that whatever else the machine does meets all alike.
    """
    taken: dict[Any, list[float]] = {name: [] for name in searches}
    with threadpool_limits(1):
        for _ in progress(range(ROUNDS), "time the index", "rounds"):
            for name, index in searches.items():
                for query in queries[:WARM_UP]:
                    index.query(query, NEIGHBOURS)
                for query in queries:
                    start = time.perf_counter()
                    index.query(query, NEIGHBOURS)
                    taken[name].append(time.perf_counter() - start)
    return {name: round(1000 * float(np.median(times)), 4) for name, times in taken.items()}


def advice_on(sidecar: dict[str, Any], chosen: float, plain: float) -> tuple[str | None, str]:
    """Whether to keep an index: "keep", "use exact" or, of exact search, None; and why, in words.

    chosen, plain: milliseconds a query of the index as it is set, and of exact search.
    """
    persons = f"{sidecar['n_items']:,} person{'s' * (sidecar['n_items'] != 1)}"
    if sidecar["backend"] == "exact":
        return None, f"Exact search takes {plain:.2g} ms a query here and finds everything."
    if chosen > CLEARLY_FASTER * plain:
        how = "faster" if plain <= CLEARLY_FASTER * chosen else "about as fast"
        return "use exact", (
            f"Exact search is {how} here and finds everything: it takes {plain:.2g} ms a query, "
            f"the index {chosen:.2g} ms. At this size ({persons}) set "
            "index.backend: exact."
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
    return "keep", text


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
        part = sidecar["tuning"]["builds"][-1]["n_items"]
        parts = [one["n_items"] for one in parts_of(sidecar)]
        sizes = f"{part:,} and {n_items:,} persons of this set"
        if len(parts) > 1:
            sizes = f"{part:,} persons of this set and the {max(parts):,} of a part of the index"
        basis += (
            f"; the index's time as the vectors that a query at the target recall compares: "
            f"persons to the power {exponent:.2f}, from {sizes}."
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
