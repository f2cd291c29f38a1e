"""What made the results: versions and hashes, the configuration, the run."""

from dataclasses import asdict

import yaml

from visualsearch.report.blocks import Block, Code, Details, Facts, MayDiffer, Paragraph, Part
from visualsearch.report.model import Results
from visualsearch.report.provenance import Provenance
from visualsearch.settings.dataset import HOW_TO_FETCH

# Keys that do not affect what is found.
HOW_IT_RUNS = {
    "dataset": HOW_TO_FETCH,
    "detector": ("device",),
    # It only adds what may differ between runs.
    "report": ("timings",),
}


REPEAT = (
    "To repeat this run: take the same commit of the workflow (`report/run.json` names it), "
    "install `requirements-lock.txt`, and run the same pictures with this configuration. All "
    "results come out the same, but for what a clock measures."
)


def blocks(results: Results, made_with: Provenance) -> list[Block]:
    """Return versions and hashes, the configuration, folded, and what may differ between runs."""
    code = Code(configuration_yaml(results), "yaml", "Configuration as YAML")
    made: list[Block] = [
        Paragraph(REPEAT),
        Facts(made_with.same),
        Details("Configuration", [code]),
    ]
    if made_with.may_differ:
        made.append(MayDiffer([Part("This run", [Facts(made_with.may_differ)])]))
    return made


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
