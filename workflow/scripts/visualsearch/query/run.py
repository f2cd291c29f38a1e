"""A finished run: its files, and the settings that made them, as its results folder tells of them.

Imports nothing heavy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visualsearch.core import checksums
from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, sha256_file
from visualsearch.core.job import CODE, SETTINGS
from visualsearch.fetch import local_root
from visualsearch.index import index_file
from visualsearch.settings import (
    DatasetSettings,
    DetectorSettings,
    EmbeddingSettings,
    SearchSetSettings,
    SearchSettings,
)
from visualsearch.settings.values import is_address
from visualsearch.workflow import digests

# What the search reads besides the embeddings and the index.
FILES = {
    "manifest": "dataset/manifest.parquet",
    "detector": "detections/detector.json",
    "model": "pca/model.npz",
    "sidecar": "index/index.json",
    "persons": "index/persons.parquet",
}
# The rules whose code decides the hits of a query.
DECIDING = ("detect_persons", "embed_persons", "reduce_vectors", "search_persons")
FINISH = "run snakemake --cores all with its configuration, to finish it"


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    results: its folder. files: paths by the names of FILES, and of the index. embeddings: of all
    shards. detector: with the weights that are to be loaded. described: the content of
    detector.json. sidecar: of index.json. dataset, search_set, embedding, search: the settings of
    the jobs that made the results. code: the digest of each rule of DECIDING.
    """

    results: Path
    files: dict[str, str]
    embeddings: list[str]
    dataset: DatasetSettings
    detector: DetectorSettings
    described: dict[str, Any]
    search_set: SearchSetSettings
    embedding: EmbeddingSettings
    search: SearchSettings
    sidecar: dict[str, Any]
    code: dict[str, str]

    @property
    def pictures_folder(self) -> str | None:
        """The user's own folder of pictures; None if the pictures are in the results.

        A path that does not start at the root is taken from this folder or, if nothing is there,
        from one above the results: the run had it from the folder in which it was started.
        """
        given = local_root(self.dataset)
        packed = any((self.results / "dataset/pictures").glob("*.zip"))
        if given is None or is_address(given) or packed:
            return None
        starts = [Path(), *self.results.resolve().parents]
        return str(next((at / given for at in starts if (at / given).is_dir()), given))

    def is_outdated(self) -> bool:
        """Whether the code that decides hits has changed since the run. Takes up to a second."""
        scripts = {rule: digests.PACKAGE.parent / f"{rule}.py" for rule in self.code}
        return any(
            digests.digest(scripts[rule]) != code
            for rule, code in self.code.items()
            # They lie beside the library, unless it was installed without them.
            if scripts[rule].exists()
        )


def read_run(results: Path, weights: str | None = None) -> FinishedRun:
    """Read a results folder. weights: the file of the detector's weights, if the user gives it.

    Raises InputError, with what to do, if it is none, its run is not finished, was made by another
    version, or used weights that are not known here.
    """
    if not results.is_dir():
        raise InputError(f"{results} is not a folder; give the results folder of a finished run")
    if not (results / SETTINGS).is_dir():
        raise InputError(
            f"{results} holds no results of a run; give the folder that pathvars.results names, "
            "such as results/demo"
        )
    files = {name: str(results / path) for name, path in FILES.items()}
    for path in files.values():
        _require(results, path)
    checksums.check(files.values())
    described, sidecar = read_json(files["detector"]), read_json(files["sidecar"])
    embed, search = _settings_of(results, "embed_persons"), _settings_of(results, "search_persons")
    dataset = _settings_of(results, "fetch_annotations")["dataset"]
    shards = _settings_of(results, "fetch_images")["shards"]
    try:
        if not sidecar["n_items"]:
            raise InputError(
                f"the search set of the run in {results} is empty; lower search_set.min_score "
                "or search_set.min_height, or give more pictures, and run it again"
            )
        files["index"] = str(results / "index" / index_file(sidecar["backend"]))
        embeddings = [str(results / f"embeddings/{shard}.parquet") for shard in range(shards)]
        for path in (files["index"], *embeddings):
            _require(results, path)
        # A run stopped after a change of the detector, or the target parity with another precision.
        if _settings_of(results, "fetch_weights")["detector"] != embed["detector"]:
            raise InputError(
                f"the run in {results} is not finished: its {FILES['detector']} does not belong "
                f"to its embeddings; {FINISH}"
            )
        weights = _weights(results, described, weights)
        return FinishedRun(
            results,
            files,
            embeddings,
            DatasetSettings.of(dataset),
            DetectorSettings.of(embed["detector"] | {"weights": weights}),
            described,
            SearchSetSettings.of(embed["search_set"]),
            EmbeddingSettings.of(embed["embedding"]),
            SearchSettings.of(search["search"]),
            sidecar,
            {rule: _settings_of(results, rule)[CODE] for rule in DECIDING},
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{results} was made by another version of this workflow ({error}); use that version, "
            "or run snakemake --cores all with its configuration again"
        ) from error


def _require(results: Path, path: str) -> None:
    if not os.path.isfile(path):
        missing = os.path.relpath(path, results)
        raise InputError(f"the run in {results} is not finished: {missing} is missing; {FINISH}")


def _settings_of(results: Path, rule: str) -> dict[str, Any]:
    """Return what a rule's jobs have written about the settings that made their results."""
    folder = results / SETTINGS / rule
    records = [read_json(path) for path in sorted(folder.rglob("*.json"))]
    if not records:
        raise InputError(
            f"the run in {results} is not finished: {SETTINGS}/{rule} is missing; {FINISH}"
        )
    if any(record != records[0] for record in records):
        raise InputError(
            f"the run in {results} is not finished: the jobs of {rule} had different settings; "
            f"{FINISH}"
        )
    return records[0]


def _weights(results: Path, described: dict[str, Any], given: str | None) -> str:
    """Return detector.weights of the run, which its results do not name if it was a file."""
    if given is None:
        # Beside the detections if the run had its files from a bucket.
        copies = sorted((results / "detections").glob("weights.*"))
        if not copies and not described["weights_are_published"]:
            raise InputError(
                f"the detector's weights were a file of your own, {described['weights']}; "
                "give it: --weights FILE"
            )
        return str(copies[0]) if copies else "default"
    if not os.path.isfile(given):
        raise InputError(f"--weights: there is no file {given}")
    if sha256_file(given) != described["weights_sha256"]:
        raise InputError(
            f"--weights: {given} is not the file with which the run in {results} was made; give "
            f"that one, whose sha256 is {described['weights_sha256']}"
        )
    # With a slash, as a name without one means published weights.
    return os.path.abspath(given)
