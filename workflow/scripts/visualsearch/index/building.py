"""Builds an index from reduced vectors, tuned to a recall, with its sidecar."""

import logging
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.core.files import replacing, write_json
from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order, rows_of_shards, vectors_of_rows
from visualsearch.data.tables import PERSONS, common_metadata, count_rows, write_table
from visualsearch.data.vectors import stored_lengths, vectors_of
from visualsearch.index import REGISTRY, load_backend
from visualsearch.index.base import Backend
from visualsearch.index.index import load_index
from visualsearch.index.nearest import Nearest
from visualsearch.index.opening import check_answers, make_self_test
from visualsearch.index.recall import RECALL_AT, SampledQueries, measured_recall, sampled_rows
from visualsearch.index.tuning import TriedBuild, subset_rows, try_builds, tune
from visualsearch.settings import IndexSettings

log = logging.getLogger(__name__)

# Few, as a comparison holds a matrix of these by the queries.
BATCH_ROWS = 1024


def build_index(
    reduced: Sequence[str], settings: IndexSettings, index: str, persons: str, sidecar: str
) -> None:
    """Build an index over all persons in person order.

    reduced: shards of reduced vectors. index, persons, sidecar: paths to write. Chooses what the
    user left open about building and searching so that the index reaches settings.target_recall
    with the least work. The sidecar holds what is needed to open the file and to test it, a hash of
    the vectors, how the choice was made, and the recall on persons that had no part in it.
    """
    with threadpool_limits(1):
        n_items = count_rows(reduced)
        # Annoy cannot open a file without vectors.
        backend = load_backend(settings.backend if n_items else "exact")
        tried = _try_builds(backend, reduced, n_items, settings) if backend.effort_name else []
        build = (tried[-1].build if tried else {}) | {"seed": settings.seed}

        tuning_rows, held_out_rows = sampled_rows(n_items)
        rows = np.concatenate([tuning_rows, held_out_rows])
        vectors = vectors_of_rows(reduced, rows)
        nearest = Nearest(vectors, min(RECALL_AT[-1], max(n_items - 1, 0)), rows)
        written = _write_index_file(backend, reduced, n_items, build, nearest, index)

        table = rows_of_shards(reduced, PERSONS.names)
        write_table(persons, [table], PERSONS)
        image_ids = table["image_id"].to_numpy()[rows]
        sample = SampledQueries(rows, image_ids, vectors, nearest.cosines)
        tuning_sample = sample.some(slice(len(tuning_rows)))
        held_out = sample.some(slice(len(tuning_rows), None))

        described: dict[str, Any] = {
            "backend": backend.name,
            "dimension": sum(stored_lengths(reduced[0]).values()),
            "n_items": n_items,
            **written,
            "pca_model": common_metadata(reduced).get("model"),
            "versions": _versions(REGISTRY[backend.name].package, "numpy"),
            "target_recall": settings.target_recall,
        }
        if backend.effort_name:
            # Any effort will do to open the file; tuning replaces it.
            described[backend.effort_name] = next(backend.efforts(build, n_items))
        opened = load_index(index, described)
        check_answers(opened, index)
        if backend.effort_name:
            described["tuning"] = tune(opened, tuning_sample, tried, settings)
            effort = described["tuning"]["chosen"][backend.effort_name]
            described[backend.effort_name] = effort
            opened = opened.at(effort)
        else:
            described["tuning"] = {"persons_sampled": 0, "curve": [], "chosen": {}}

        recall = measured_recall(opened, held_out, settings.seed)
        reached = recall[f"recall@{RECALL_AT[-1]}"] >= settings.target_recall
        described |= {"target_reached": reached, "recall": recall}
        described["self_test"] = make_self_test(opened, held_out)
        _log_choice(described, settings)
        write_json(sidecar, described)


def _try_builds(
    backend: Backend, reduced: Sequence[str], n_items: int, settings: IndexSettings
) -> list[TriedBuild]:
    subset = subset_rows(n_items)
    held_out = np.isin(subset, sampled_rows(n_items)[1])
    tried = try_builds(backend, vectors_of_rows(reduced, subset), held_out, settings)
    log.info("tried on %d persons: %s", tried[-1].n_items, tried)
    return tried


def _write_index_file(
    backend: Backend,
    reduced: Sequence[str],
    n_items: int,
    build: dict[str, Any],
    nearest: Nearest,
    path: str,
) -> dict[str, Any]:
    """Write the index file, and feed the vectors to `nearest` in the same pass over them.

    Returns what the sidecar says about the file.
    """

    def passed() -> Iterator[NDArray[np.float32]]:
        batches = vectors_in_order(reduced)
        for batch in progress(batches, "index", "batches", -(-n_items // BATCH_ROWS)):
            nearest.add(batch)
            yield batch

    with replacing(path) as temporary:
        shape = n_items, sum(stored_lengths(reduced[0]).values())
        built = backend.build(passed(), str(temporary), shape, build)
    return {**built, "index_bytes": Path(path).stat().st_size}


def vectors_in_order(reduced: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """The reduced vectors of all shards in person order, float32 [*, D] at a time."""
    for table in in_person_order(reduced, BATCH_ROWS, ["vector"]):
        yield vectors_of(table)


def _versions(*packages: str) -> dict[str, str]:
    # faiss is installed as faiss-cpu, and Annoy's module has no version.
    return {
        name: str(getattr(import_module(name), "__version__", "") or version(name))
        for name in packages
    }


def _log_choice(described: dict[str, Any], settings: IndexSettings) -> None:
    recall, chosen = described["recall"], described["tuning"]["chosen"]
    log.info("chosen %s; recall on persons held out: %s", chosen, recall)
    if not described["target_reached"]:
        own = [f"index.{key}" for key in chosen if getattr(settings, key, None) is not None]
        log.warning(
            "the index finds %.4f of the ten nearest of persons held out, below "
            "index.target_recall %g; set index.backend: exact to find all%s",
            recall[f"recall@{RECALL_AT[-1]}"],
            described["target_recall"],
            f", or leave {' and '.join(own)} null to be chosen" if own else "",
        )


def remove_other_backends(index: str | Path) -> None:
    """Remove index files of other backends, and their checksums, from the folder of `index`."""
    for registered in REGISTRY.values():
        other = Path(index).with_suffix(f".{registered.suffix}")
        if other != Path(index):
            other.unlink(missing_ok=True)
            other.with_name(f".{other.name}.sha256").unlink(missing_ok=True)
