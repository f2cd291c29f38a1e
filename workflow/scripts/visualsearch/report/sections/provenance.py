"""The inputs of a run: pictures, configuration, versions."""

from dataclasses import asdict

import yaml

from visualsearch.data.skipped import by_reason
from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts, count
from visualsearch.settings.dataset import HOW_TO_FETCH

# Keys that do not affect what is found.
HOW_IT_RUNS = {
    "dataset": HOW_TO_FETCH,
    "detector": ("device",),
    # It only adds the times.
    "report": ("timings",),
}

SOURCES = {
    "coco-minitrain": "COCO minitrain, 25,000 images of COCO train2017",
    "coco-val2017": "COCO val2017",
    "folder": "a folder of pictures",
    "openpeople": "openpeople, 60 generated pictures of ten people who do not exist",
}


def dataset_facts(results: Results) -> Facts:
    """Return the facts of the dataset and the search set."""
    dataset = results.settings.dataset
    facts = [
        ("source", SOURCES.get(dataset.source, dataset.source)),
        ("category", dataset.category),
    ]
    if dataset.source.startswith("coco-"):
        kept = "with the category only" if dataset.only_with_category else "all of the set"
        facts.append(("pictures kept", kept))
    if dataset.max_images is not None:
        facts.append(("limit", f"the first {count(dataset.max_images, 'picture')} by id"))
    left_out = sum(entry.files for entry in results.skipped if entry.counts)
    chosen = results.settings.search_set
    return [
        *facts,
        ("pictures", f"{results.n_pictures:,}"),
        ("left out", f"{left_out:,}" if left_out else "none"),
        ("detections", f"{results.n_detections:,}"),
        (
            "in the search set",
            f"{results.n_persons:,}: score at least {chosen.min_score:g} and height at least "
            f"{chosen.min_height:g} px",
        ),
    ]


def skipped_reasons(results: Results) -> list[tuple[str, int]]:
    """Return (reason, files left out for it), the most frequent first; then what does not count."""
    pictures = [entry for entry in results.skipped if entry.counts]
    others = [entry for entry in results.skipped if not entry.counts]
    return [
        (f"{group.reason}: {group.kinds}" if group.kinds else group.reason, group.files)
        for group in by_reason(pictures) + by_reason(others)
    ]


def configuration_yaml(results: Results) -> str:
    """Return the configuration as YAML, without keys that do not affect the results."""
    config = asdict(results.settings)
    for key in ("pathvars", "shards"):
        del config[key]
    for section, keys in HOW_IT_RUNS.items():
        config[section] = {k: v for k, v in config[section].items() if k not in keys}
    # Only the settings of the source that was used.
    source = config["dataset"]["source"]
    for part in {"coco", "folder"} - {source.split("-")[0]}:
        config["dataset"].pop(part, None)
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=88)


class _Dumper(yaml.SafeDumper):
    """Writes lists on one line."""


_Dumper.add_representer(
    tuple,
    lambda dumper, values: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", values, flow_style=True
    ),
)


def versions(results: Results) -> Facts:
    """Return the versions of the packages that computed the results."""
    return sorted((results.detector["versions"] | results.sidecar["versions"]).items())
