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
    """Every key of a configuration file. Keys that a file leaves out have their defaults."""

    pathvars: PathvarsSettings = section(PathvarsSettings)
    shards: int = key(
        64,
        "Number of jobs into which fetching, detecting, embedding and reducing are split, by "
        "image id. A job should take minutes, and there should be at least as many jobs as "
        "cores: 64 suits thousands of pictures, 4 some hundreds. Results do not depend on it, "
        "and a change of it detects and embeds nothing again.",
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
    """Return the JSON schema of a configuration, as workflow/schemas/config.schema.yaml has it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration",
        **Settings.schema(),
    }
