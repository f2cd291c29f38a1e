"""What the jobs of an index of several parts hand on, as files."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, write_json
from visualsearch.core.hashing import sha256_file
from visualsearch.data.tables import read_table, vector_column, vectors_of, write_table
from visualsearch.index import BUILDS_PART, PARTS, SUFFIXES, index_files
from visualsearch.index.building import Part, Plan, check_sha256, sha256_of

# Of each sampled person, by their place in the sample, the nearest others in a part.
NEAREST = pa.schema([("sample", pa.int32()), ("cosine", pa.float32())])


def write_plan(plan: Plan, facts: str, sample: str) -> None:
    """Write a plan as JSON and a table of the vectors sampled."""
    schema = pa.schema([("vector", pa.list_(pa.float32(), plan.sample.shape[1]))])
    write_table(sample, [pa.table({"vector": vector_column(plan.sample)})], schema)
    write_json(facts, plan.facts)


def read_plan(facts: str, sample: str) -> Plan:
    """What `write_plan` wrote; InputError where the two are of different runs."""
    plan = Plan(read_json(facts), vectors_of(read_table(sample, ["vector"])))
    if sha256_of(plan.sample) != plan.facts["sample_sha256"]:
        raise InputError(f"{sample} is not the sample of {facts}; rerun plan_index")
    return plan


def write_part(part: Part, facts: str, nearest: str) -> None:
    """Write what is known of a part as JSON and a table of the sample's nearest in it."""
    sample, column = np.nonzero(np.isfinite(part.cosines))
    columns = {"sample": sample, "cosine": part.cosines[sample, column]}
    write_table(nearest, [pa.table(columns).cast(NEAREST)], NEAREST)
    write_json(facts, part.facts | {"nearest_sha256": sha256_file(nearest)})


def read_part(plan: Plan, facts: str, nearest: str) -> Part:
    """What `write_part` wrote; InputError where it is not of this plan."""
    known = read_json(facts)
    if known["plan_sha256"] != plan.sha256:
        raise InputError(f"{facts} is of a part of another plan; rerun {BUILDS_PART}")
    check_sha256(nearest, known.pop("nearest_sha256"))
    table = read_table(nearest, NEAREST.names)
    sample = table["sample"].to_numpy()
    # Each comes by its place in the sample.
    column = np.arange(len(sample)) - np.searchsorted(sample, sample)
    cosines = np.full((len(plan.sample), plan.depth), -np.inf, dtype=np.float32)
    cosines[sample, column] = table["cosine"].to_numpy()
    return Part(known, cosines)


def remove_others(folder: Path, settings: dict[str, Any]) -> None:
    """Remove what other settings have left in an index's folder.

    settings: the `index` section of the configuration.
    """
    own = {folder / name for name in index_files(settings)}
    for path in [folder / f"persons.{suffix}" for suffix in SUFFIXES.values()]:
        if path not in own:
            _remove(path)
    if settings["shards"] == 1:
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        return
    own |= {path.with_suffix(end) for path in own for end in (".json", ".nearest.parquet")}
    own |= {folder / PARTS / name for name in ("plan.json", "sample.parquet")}
    for path in (folder / PARTS).iterdir():
        if not path.name.startswith(".") and path not in own:
            _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f".{path.name}.sha256").unlink(missing_ok=True)
