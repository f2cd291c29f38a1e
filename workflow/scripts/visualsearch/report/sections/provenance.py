"""What made the results: configuration and versions."""

from dataclasses import asdict

import yaml

from visualsearch.report.blocks import Block, Code, Details, Facts
from visualsearch.report.model import Results
from visualsearch.settings.dataset import HOW_TO_FETCH

# Keys that do not affect what is found.
HOW_IT_RUNS = {
    "dataset": HOW_TO_FETCH,
    "detector": ("device",),
    # It only adds what may differ between runs.
    "report": ("timings",),
}


def blocks(results: Results) -> list[Block]:
    """Return the versions, and the configuration, folded."""
    versions = results.detector["versions"] | results.sidecar["versions"]
    return [
        Facts(sorted(versions.items())),
        Details(
            "Configuration", [Code(configuration_yaml(results), "yaml", "Configuration as YAML")]
        ),
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
