"""All settings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visualsearch.settings.computing import (
    DetectorSettings,
    EmbeddingSettings,
    IndexSettings,
    ReductionSettings,
    SearchSetSettings,
)
from visualsearch.settings.dataset import DatasetSettings, PathvarsSettings
from visualsearch.settings.declaring import Section, key, section
from visualsearch.settings.showing import (
    EvaluationSettings,
    ExplorerSettings,
    QueriesSettings,
    ReportSettings,
    SearchSettings,
)


@dataclass(frozen=True)
class Settings(Section):
    """Every key of a configuration file. What a file leaves out has its default."""

    pathvars: PathvarsSettings = section(PathvarsSettings)
    shards: int = key(
        8,
        "Into how many jobs fetching, detecting, embedding and reducing are split, by image id. "
        "Set it so that a job takes minutes, and at least to the number of cores. Results do not "
        "depend on it, but changing it runs these stages again.",
        minimum=1,
        maximum=512,
    )
    dataset: DatasetSettings = section(DatasetSettings)
    detector: DetectorSettings = section(DetectorSettings)
    search_set: SearchSetSettings = section(SearchSetSettings)
    embedding: EmbeddingSettings = section(EmbeddingSettings)
    reduction: ReductionSettings = section(ReductionSettings)
    index: IndexSettings = section(IndexSettings)
    queries: QueriesSettings = section(QueriesSettings)
    search: SearchSettings = section(SearchSettings)
    evaluation: EvaluationSettings = section(EvaluationSettings)
    report: ReportSettings = section(ReportSettings)
    explorer: ExplorerSettings = section(ExplorerSettings)


def configuration_schema() -> dict[str, Any]:
    """The JSON schema of a whole configuration; as a file, workflow/schemas/config.schema.yaml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration",
        **Settings.schema(),
    }
