"""What one needs to know to repeat a run: versions, hashes, command, machine.

It is plain JSON: for a Workflow Run RO-Crate every environment that draws the report would need the
package rocrate and what it brings along, and the crate an entry for each file of the results.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import visualsearch
from visualsearch.data.tables import metadata_of, read_table
from visualsearch.report.loading import ResultFiles
from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts, count, duration
from visualsearch.report.run_facts import MACHINE, ByValue, run_facts

# So many changed files are named.
MOST_FILES = 3


@dataclass(frozen=True)
class Provenance:
    """Facts of a run, as in run.json; empty parts are not known.

    of_inputs: the same for the same inputs. of_run: what may differ between two such runs; empty
    without report.timings.
    """

    of_inputs: dict[str, Any]
    of_run: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the content of run.json."""
        return {"same": self.of_inputs, "may_differ": self.of_run}

    @property
    def same(self) -> Facts:
        """For readers: what is the same for the same inputs."""
        dataset, weights = self.of_inputs["dataset"], self.of_inputs["weights"]
        return [
            ("workflow", f"version {self.of_inputs['workflow']}"),
            ("weights", f"{weights['detector']}, sha256 {weights['sha256']}"),
            *(
                (f"dataset's {name}", f"sha256 {dataset[f'{name}_sha256']}")
                for name in ("definition", "annotations", "pictures")
                if f"{name}_sha256" in dataset
            ),
            *self.of_inputs["versions"].items(),
        ]

    @property
    def may_differ(self) -> Facts:
        """For readers: what may differ between two runs with the same inputs."""
        run = self.of_run
        facts = []
        if "command" in run:
            facts = [
                ("commit", _commit_text(run["commit"], run["changed_files"])),
                ("command", run["command"]),
                ("configuration", ", ".join(run["configuration"]) or "none given"),
                ("started", run["started"]),
                ("time until this report", duration(run["seconds"])),
                ("rules that ran", ", ".join(run["rules"])),
                ("snakemake", run["snakemake"]),
            ]
        facts += [(name, _text(run[name])) for name in MACHINE if run.get(name)]
        if "packages" in run:
            packages = [f"{name} {_text(versions)}" for name, versions in run["packages"].items()]
            facts.append(("packages loaded", ", ".join(packages)))
        if run.get("not_as_locked"):
            facts.append(("not as in requirements-lock.txt", ", ".join(run["not_as_locked"])))
        return facts


def provenance(results: Results, files: ResultFiles) -> Provenance:
    """Return the facts of a run, whose duration ends here."""
    dataset: dict[str, Any] = {"source": results.settings.dataset.source}
    if files.listed:
        dataset |= metadata_of(files.listed)
    dataset |= {"pictures": results.n_pictures, "pictures_sha256": _pictures(files.manifest)}
    of_inputs = {
        "workflow": visualsearch.__version__,
        "weights": {
            "detector": results.detector["name"],
            "sha256": results.detector["weights_sha256"],
        },
        "dataset": dataset,
        "versions": dict(
            sorted((results.detector["versions"] | results.sidecar["versions"]).items())
        ),
    }
    of_run = run_facts(Path(files.logs), results.settings.shards) if files.logs else {}
    return Provenance(of_inputs, of_run)


def _pictures(manifest: str) -> str:
    """The sha256 of the lines that sha256sum prints for all pictures, sorted by file."""
    table = read_table(manifest, ["file", "sha256"]).sort_by("file").to_pydict()
    lines = zip(table["sha256"], table["file"], strict=True)
    text = "".join(f"{sha256}  {file}\n" for sha256, file in lines)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _text(values: ByValue) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({', '.join(stages)})" for value, stages in values.items())


def _commit_text(commit: str | None, changed: list[str] | None) -> str:
    if commit is None:
        return "not known: the workflow is not a git checkout"
    if changed is None:
        return f"{commit}; whether files were changed is not known"
    if not changed:
        return f"{commit}, unchanged"
    more = ", ..." if len(changed) > MOST_FILES else ""
    named = ", ".join(changed[:MOST_FILES])
    return f"{commit}, with {count(len(changed), 'changed file')}: {named}{more}"
