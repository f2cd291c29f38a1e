"""What went in: the pictures, the configuration, the versions."""

from dataclasses import asdict

import yaml

from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts, count
from visualsearch.settings.dataset import HOW_TO_FETCH

# Of a checked configuration, what does not decide what is found.
HOW_IT_RUNS = {
    "dataset": HOW_TO_FETCH,
    "detector": ("device",),
    # Times are shown in one place, so that all else is the same with them and without.
    "report": ("timings",),
}

SOURCES = {
    "coco-minitrain": "COCO minitrain, 25,000 images of COCO train2017",
    "coco-val2017": "COCO val2017",
    "folder": "a folder of pictures",
    "openpeople": "openpeople, 60 generated pictures of ten people who do not exist",
}


def dataset_facts(results: Results) -> Facts:
    """Which pictures."""
    dataset = results.settings.dataset
    facts = [("source", SOURCES.get(dataset.source, dataset.source))]
    facts.append(("category", dataset.category))
    if dataset.source.startswith("coco-"):
        kept = "with the category only" if dataset.only_with_category else "all of the set"
        facts.append(("pictures kept", kept))
    if dataset.max_images is not None:
        facts.append(("limit", f"the first {count(dataset.max_images, 'picture')} by id"))
    facts.append(("pictures", f"{results.n_pictures:,}"))
    left_out = sum(results.skipped.values())
    facts.append(("left out", f"{left_out:,}" if left_out else "none"))
    facts.append(("detections", f"{results.n_detections:,}"))
    chosen = results.settings.search_set
    facts.append(
        (
            "in the search set",
            f"{results.n_persons:,}: score at least {chosen.min_score:g} and height at least "
            f"{chosen.min_height:g} px",
        )
    )
    return facts


def skipped_reasons(results: Results) -> list[tuple[str, int]]:
    """(reason, pictures left out for it), the most frequent first."""
    return sorted(results.skipped.items(), key=lambda item: (-item[1], item[0]))


def configuration_yaml(results: Results) -> str:
    """The configuration that decided the results, as YAML, without what only guides the run."""
    config = asdict(results.settings)
    for key in ("pathvars", "shards"):
        del config[key]
    for section, keys in HOW_IT_RUNS.items():
        config[section] = {k: v for k, v in config[section].items() if k not in keys}
    # Settings of sources that are not used.
    source = config["dataset"]["source"]
    for part in {"coco", "folder"} - {source.split("-")[0]}:
        config["dataset"].pop(part, None)
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=88)


class _Dumper(yaml.SafeDumper):
    """Lists on one line."""


_Dumper.add_representer(
    tuple,
    lambda dumper, values: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", values, flow_style=True
    ),
)


def versions(results: Results) -> Facts:
    """Versions of what computed the results."""
    found = {**results.detector["versions"], **results.sidecar["versions"]}
    return sorted(found.items())
