"""Build an index from reduced vectors, tuned to a recall, with its sidecar."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.atomic import replacing, write_json
from visualsearch.hashing import sha256_file
from visualsearch.index import PACKAGES, Index, backend, load_index
from visualsearch.index.recall import (
    RECALL_AT,
    Searched,
    exact_cosines,
    measured_recall,
    sampled_rows,
)
from visualsearch.index.self_test import check_answers, make_self_test
from visualsearch.index.tuning import (
    Tried,
    compared_at,
    growth_exponent,
    rows_of_part,
    try_builds,
    tuned,
)
from visualsearch.progress import progress
from visualsearch.tables import (
    PERSONS,
    common_metadata,
    count_rows,
    in_person_order,
    rows_of_shards,
    vector_length,
    vectors_of,
    vectors_of_rows,
    write_table,
)

log = logging.getLogger(__name__)

# Few, as a comparison holds a matrix of these by the queries.
BATCH_ROWS = 1024


def build_index(
    reduced: Sequence[str], settings: dict[str, Any], index: str, persons: str, sidecar: str
) -> None:
    """Build an index over all persons in person order.

    reduced: shards of reduced vectors. settings: the `index` section of the configuration.
    index, persons, sidecar: paths to write. What the user left open of how the index is built and
    how far it searches is chosen to reach settings["target_recall"] with the least work. The
    sidecar holds what is needed to open the file and to test it, a hash of the vectors, how the
    choice was made, and the recall on persons that had no part in it.
    """
    with threadpool_limits(1):
        _build_index(reduced, settings, index, persons, sidecar)


def _build_index(
    reduced: Sequence[str], settings: dict[str, Any], index: str, persons: str, sidecar: str
) -> None:
    metadata = common_metadata(reduced)
    n_items = count_rows(reduced)
    # Of nobody Annoy makes no file that it can open again, and there is nothing to tune.
    name = settings["backend"] if n_items else "exact"
    module = backend(name)
    digest = hashlib.sha256()

    def hashed() -> Iterator[NDArray[np.float32]]:
        batches = vectors_in_order(reduced)
        for batch in progress(batches, "index", "batches", -(-n_items // BATCH_ROWS)):
            digest.update(batch.tobytes())
            yield batch

    tried: list[Tried] = []
    build: dict[str, Any] = {}
    if module.PARAMETER:
        part = rows_of_part(n_items)
        held_out_of_part = np.isin(part, sampled_rows(n_items)[1])
        tried = try_builds(module, vectors_of_rows(reduced, part), held_out_of_part, settings)
        build = tried[-1].build
        log.info("tried on %d persons: %s", tried[-1].n_items, tried)
    dimension = vector_length(reduced[0])
    with replacing(index) as temporary:
        build_settings = build | {"seed": settings["seed"]}
        facts = module.build(hashed(), str(temporary), (n_items, dimension), build_settings)
    rows = rows_of_shards(reduced, PERSONS.names)
    write_table(persons, [rows], PERSONS)

    described: dict[str, Any] = {
        "backend": name,
        "dimension": dimension,
        "n_items": n_items,
        **facts,
        "vectors_sha256": digest.hexdigest(),
        "index_sha256": sha256_file(index),
        "index_bytes": Path(index).stat().st_size,
        "pca_model": metadata.get("model"),
        "versions": {name: version(name) for name in (PACKAGES[name][0], "numpy")},
        "target_recall": settings["target_recall"],
    }
    if module.PARAMETER:
        # Replaced by the tuning; the file is opened to be tuned.
        described[module.PARAMETER] = next(module.efforts(build, n_items))
    opened = load_index(index, described)
    check_answers(opened, index)
    tuning, held_out = _samples(opened, reduced, rows["image_id"].to_numpy())
    if module.PARAMETER:
        described["tuning"] = _tuning(module, opened, tuning, tried, settings)
        effort = described["tuning"]["chosen"][module.PARAMETER]
        described[module.PARAMETER] = effort
        opened = opened.at(effort)
    else:
        described["tuning"] = {"persons_sampled": 0, "curve": [], "chosen": {}}
    recall = measured_recall(opened, held_out, settings["seed"])
    reached = recall[f"recall@{RECALL_AT[-1]}"] >= settings["target_recall"]
    described |= {"target_reached": reached, "recall": recall}
    described["self_test"] = make_self_test(opened, held_out)
    _report(described, settings)
    write_json(sidecar, described)


def vectors_in_order(reduced: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """The reduced vectors of all shards in person order, float32 [*, D] at a time."""
    for table in in_person_order(reduced, BATCH_ROWS, ["vector"]):
        yield vectors_of(table)


def _samples(
    index: Index, reduced: Sequence[str], image_ids: NDArray[np.int64]
) -> tuple[Searched, Searched]:
    """The sample to tune on and the one to report, with their exact neighbours."""
    tuning, held_out = sampled_rows(len(index))
    rows = np.concatenate([tuning, held_out])
    vectors = np.empty((len(rows), index.sidecar["dimension"]), dtype=np.float32)
    for place, row in enumerate(rows):
        vectors[place] = index.vector(int(row))
    depth = min(RECALL_AT[-1], max(len(index) - 1, 0))
    truth = exact_cosines(vectors_in_order(reduced), vectors, rows, depth)
    both = Searched(rows, image_ids[rows], vectors, truth)
    return both.part(slice(len(tuning))), both.part(slice(len(tuning), None))


def _tuning(
    module: ModuleType, index: Index, sample: Searched, tried: list[Tried], settings: dict[str, Any]
) -> dict[str, Any]:
    """The choice and its reasons, as the sidecar keeps them."""
    target, seed = settings["target_recall"], settings["seed"]
    build = tried[-1].build
    efforts = list(module.efforts(build, len(index)))
    own = settings.get(module.PARAMETER)
    effort, curve = tuned(index, sample, efforts, target, seed, own)
    exponent = None
    if curve:
        exponent = growth_exponent(tried[-1], len(index), compared_at(curve, target))
    return {
        "persons_sampled": len(sample),
        "curve": [
            {
                **build,
                module.PARAMETER: point.effort,
                "recall@10": round(point.recall, 6),
                "low": round(point.low, 6),
                "compared": round(point.compared, 6),
            }
            for point in curve
        ],
        "chosen": {**build, module.PARAMETER: effort},
        "builds": [
            {
                **one.build,
                "n_items": one.n_items,
                "recall@10": round(one.recall, 6),
                "compared": round(one.compared, 6),
            }
            for one in tried
        ],
        "growth_exponent": None if exponent is None else round(exponent, 6),
    }


def _report(described: dict[str, Any], settings: dict[str, Any]) -> None:
    recall = described["recall"]
    log.info("chosen %s; recall on persons held out: %s", described["tuning"]["chosen"], recall)
    if not described["target_reached"]:
        chosen = described["tuning"]["chosen"]
        own = [f"index.{key}" for key in chosen if settings.get(key) is not None]
        log.warning(
            "the index finds %.4f of the ten nearest of persons held out, below "
            "index.target_recall %g; set index.backend: exact to find all%s",
            recall[f"recall@{RECALL_AT[-1]}"],
            described["target_recall"],
            f", or leave {' and '.join(own)} null to be chosen" if own else "",
        )
