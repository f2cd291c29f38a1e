"""Build an index from reduced vectors, tuned to a recall, with its sidecar.

Three steps: a plan, which decides what all parts share; each part, which sees its own persons
alone; and what is measured of the whole. An index of one part takes them in one job. Of several
(`index.shards`) each part has a job, which need not run on the same machine, and plan and parts are
handed on as files.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing, write_json
from visualsearch.core.hashing import sha256_file
from visualsearch.core.progress import progress
from visualsearch.data.tables import (
    PERSONS,
    common_metadata,
    count_rows,
    in_person_order,
    read_table,
    rows_of_shards,
    vector_length,
    vectors_of,
    vectors_of_rows,
    write_table,
)
from visualsearch.index import BUILDS_PART, PACKAGES, backend, parts_of
from visualsearch.index.nearest import Nearest
from visualsearch.index.opening import Index, Paths, load_index, paths_of
from visualsearch.index.recall import (
    RECALL_AT,
    Searched,
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

log = logging.getLogger(__name__)

# Few, as a comparison holds a matrix of these by the queries.
BATCH_ROWS = 1024


@dataclass(frozen=True)
class Plan:
    """What the parts of an index share.

    facts: JSON-ready; backend, n_items, dimension, seed, the builds that were tried, pca_model, a
    hash of the sample, and of each part its n_items and the person_id of its first and last person.
    sample: float32 [S, D], the vectors of `sampled_rows`, with which every part compares its own.
    """

    facts: dict[str, Any]
    sample: NDArray[np.float32]

    @property
    def build(self) -> dict[str, Any]:
        """How every part is built, in the backend's own settings."""
        tried = self.facts["tried"]
        return (tried[-1]["build"] if tried else {}) | {"seed": self.facts["seed"]}

    @property
    def depth(self) -> int:
        """Of how many neighbours the cosines are kept."""
        return min(RECALL_AT[-1], max(self.facts["n_items"] - 1, 0))

    @property
    def sha256(self) -> str:
        """By which a part knows its plan."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """A part that was built.

    facts: JSON-ready; what the sidecar keeps of the file, and the plan's sha256. cosines: float32
    [S, k], those of each sampled person's nearest others in this part, -inf for none.
    """

    facts: dict[str, Any]
    cosines: NDArray[np.float32]


def build_index(
    reduced: Sequence[str], settings: dict[str, Any], index: Paths, persons: str, sidecar: str
) -> None:
    """Build an index over all persons in person order, each part after the other.

    reduced: shards of reduced vectors. settings: the `index` section of the configuration.
    index: the path to write, or one a part. persons, sidecar: paths to write. What the user left
    open of how the index is built and how far it searches is chosen to reach
    settings["target_recall"] with the least work. The sidecar holds what is needed to open the
    files and to test them, a hash of the vectors, how the choice was made, and the recall on
    persons that had no part in it.
    """
    files = paths_of(index)
    with threadpool_limits(1):
        plan = make_plan(reduced, settings, len(files))
        parts = [build_part(reduced, plan, number, path) for number, path in enumerate(files)]
        finish_index(reduced, settings, plan, parts, files, persons, sidecar)


def make_plan(reduced: Sequence[str], settings: dict[str, Any], parts: int) -> Plan:
    """Cut the persons into parts, and choose how each is built."""
    n_items = count_rows(reduced)
    # Of nobody Annoy makes no file that it can open again, and there is nothing to tune.
    name = settings["backend"] if n_items else "exact"
    module = backend(name)
    tried: list[Tried] = []
    if module.PARAMETER:
        part = rows_of_part(n_items)
        held_out_of_part = np.isin(part, sampled_rows(n_items)[1])
        tried = try_builds(module, vectors_of_rows(reduced, part), held_out_of_part, settings)
        log.info("tried on %d persons: %s", tried[-1].n_items, tried)
    sample = vectors_of_rows(reduced, np.concatenate(sampled_rows(n_items)))
    facts = {
        "backend": name,
        "n_items": n_items,
        "dimension": vector_length(reduced[0]),
        "seed": settings["seed"],
        "tried": [asdict(one) for one in tried],
        "parts": _cut(reduced, n_items, parts),
        "pca_model": common_metadata(reduced).get("model"),
        "sample_sha256": sha256_of(sample),
    }
    return Plan(facts, sample)


def sha256_of(vectors: NDArray[np.float32]) -> str:
    """Hash of vectors, by which they are known again."""
    return hashlib.sha256(vectors.tobytes()).hexdigest()


def _cut(reduced: Sequence[str], n_items: int, parts: int) -> list[dict[str, Any]]:
    """Nearly equal numbers of persons, in person order, whatever the shards."""
    if parts == 1:
        return [{"n_items": n_items, "first": None, "last": None}]
    ids = np.sort(np.concatenate([read_table(p, ["person_id"])["person_id"] for p in reduced]))
    bounds = [n_items * number // parts for number in range(parts + 1)]
    return [
        {
            "n_items": stop - start,
            "first": int(ids[start]) if start < stop else None,
            "last": int(ids[stop - 1]) if start < stop else None,
        }
        for start, stop in pairwise(bounds)
    ]


def build_part(reduced: Sequence[str], plan: Plan, number: int, path: str | Path) -> Part:
    """Build a part at `path`. Reads and holds nothing of the persons of others."""
    facts, part = plan.facts, plan.facts["parts"][number]
    module, rows = backend(facts["backend"]), sum(p["n_items"] for p in facts["parts"][:number])
    digest = hashlib.sha256()
    sampled = np.concatenate(sampled_rows(facts["n_items"]))
    nearest = Nearest(plan.sample, plan.depth, sampled - rows)
    between = None if part["first"] is None else (part["first"], part["last"])

    def passed() -> Iterator[NDArray[np.float32]]:
        batches = vectors_in_order(reduced, between)
        for batch in progress(batches, "index", "batches", -(-part["n_items"] // BATCH_ROWS)):
            digest.update(batch.tobytes())
            nearest.add(batch)
            yield batch

    shape = part["n_items"], facts["dimension"]
    with replacing(path) as temporary:
        if part["n_items"] or not facts["n_items"]:
            built = module.build(passed(), str(temporary), shape, plan.build)
        else:
            temporary.touch()
            built = {}
    kept = {
        "n_items": part["n_items"],
        **built,
        "vectors_sha256": digest.hexdigest(),
        "index_sha256": sha256_file(path),
        "index_bytes": Path(path).stat().st_size,
        "plan_sha256": plan.sha256,
    }
    return Part(kept, nearest.cosines)


def finish_index(
    reduced: Sequence[str],
    settings: dict[str, Any],
    plan: Plan,
    parts: Sequence[Part],
    index: Paths,
    persons: str,
    sidecar: str,
    threads: int = 1,
) -> None:
    """Choose how far the whole searches, measure it, and write its persons and its sidecar.

    parts, index: what `build_part` gave, and the files it wrote. threads: how many parts are asked
    at a time, which no result depends on.
    """
    files, facts = paths_of(index), plan.facts
    if len(parts) > 1:
        _check_files(parts, files)
    module = backend(facts["backend"])
    rows = rows_of_shards(reduced, PERSONS.names)
    write_table(persons, [rows], PERSONS)
    described: dict[str, Any] = {
        "backend": facts["backend"],
        "dimension": facts["dimension"],
        "n_items": facts["n_items"],
        **_described_parts(parts, files, sidecar),
        "pca_model": facts["pca_model"],
        "versions": {name: version(name) for name in (PACKAGES[facts["backend"]][0], "numpy")},
        "target_recall": settings["target_recall"],
    }
    most = max(part["n_items"] for part in facts["parts"])
    if module.PARAMETER:
        # Replaced by the tuning; the file is opened to be tuned.
        described[module.PARAMETER] = next(module.efforts(plan.build, most))
    opened = load_index(files, described, threads)
    check_answers(opened, files)
    tuning, held_out = _samples(plan, parts, rows["image_id"].to_numpy())
    if module.PARAMETER:
        tried = [Tried(**one) for one in facts["tried"]]
        described["tuning"] = _tuning(module, opened, tuning, tried, settings, most)
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


def _check_files(parts: Sequence[Part], files: Sequence[Path]) -> None:
    """InputError where the file of a part is no longer the one that was built."""
    for part, file in zip(parts, files, strict=True):
        check_sha256(file, part.facts["index_sha256"])


def check_sha256(file: str | Path, expected: str) -> None:
    """InputError where a file of a part is not the one that its job wrote."""
    try:
        same = sha256_file(file) == expected
    except OSError as error:
        raise InputError(
            f"{file} cannot be opened: {error.strerror}; rerun {BUILDS_PART}"
        ) from error
    if not same:
        raise InputError(
            f"{file} is not the file that its job wrote, or is damaged; rerun {BUILDS_PART}"
        )


def _described_parts(parts: Sequence[Part], files: Sequence[Path], sidecar: str) -> dict[str, Any]:
    """What the sidecar says of the files: of one by itself, of several in a list."""
    of_file = ("n_items", "vectors_sha256", "index_sha256", "index_bytes")
    built = max((part.facts for part in parts), key=len)
    common = {k: v for k, v in built.items() if k not in (*of_file, "plan_sha256")}
    if len(parts) == 1:
        return common | {name: built[name] for name in of_file}
    folder = Path(sidecar).parent
    return {
        **common,
        "parts": [
            {"file": os.path.relpath(file, folder)} | {name: part.facts[name] for name in of_file}
            for part, file in zip(parts, files, strict=True)
        ],
        "index_bytes": sum(part.facts["index_bytes"] for part in parts),
    }


def vectors_in_order(
    reduced: Sequence[str], between: tuple[int, int] | None = None
) -> Iterator[NDArray[np.float32]]:
    """The reduced vectors of all shards in person order, float32 [*, D] at a time.

    between: the first and the last person_id wanted; None for all.
    """
    for table in in_person_order(reduced, BATCH_ROWS, ["vector"], between=between):
        yield vectors_of(table)


def _samples(
    plan: Plan, parts: Sequence[Part], image_ids: NDArray[np.int64]
) -> tuple[Searched, Searched]:
    """The sample to tune on and the one to report, with their exact neighbours."""
    tuning, held_out = sampled_rows(plan.facts["n_items"])
    rows = np.concatenate([tuning, held_out])
    # The nearest of all are among the nearest of each part.
    cosines = np.sort(np.concatenate([part.cosines for part in parts], axis=1), axis=1)
    truth = np.ascontiguousarray(cosines[:, ::-1][:, : plan.depth])
    both = Searched(rows, image_ids[rows], plan.sample, truth)
    return both.part(slice(len(tuning))), both.part(slice(len(tuning), None))


def _tuning(
    module: ModuleType,
    index: Index,
    sample: Searched,
    tried: list[Tried],
    settings: dict[str, Any],
    most: int,
) -> dict[str, Any]:
    """The choice and its reasons, as the sidecar keeps them. most: persons of the largest part."""
    target, seed = settings["target_recall"], settings["seed"]
    build = tried[-1].build
    efforts = list(module.efforts(build, most))
    own = settings.get(module.PARAMETER)
    effort, curve = tuned(index, sample, efforts, target, seed, own)
    exponent = None
    if curve:
        # A forest or graph grows with the persons in it, so in its part.
        of_part = compared_at(curve, target) / len(parts_of(index.sidecar))
        exponent = growth_exponent(tried[-1], most, of_part)
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
