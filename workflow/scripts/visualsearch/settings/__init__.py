"""The configuration: its keys with types, defaults and limits, and how it is checked."""

from visualsearch.settings.computing import (
    DetectorSettings,
    EmbeddingSettings,
    IndexSettings,
    ReductionSettings,
    SearchSetSettings,
)
from visualsearch.settings.configuration import Settings
from visualsearch.settings.dataset import (
    CocoSettings,
    DatasetSettings,
    FolderSettings,
    PathvarsSettings,
)
from visualsearch.settings.showing import (
    EvaluationSettings,
    ExplorerSettings,
    QueriesSettings,
    ReportSettings,
    SearchSettings,
)

__all__ = [
    "CocoSettings",
    "DatasetSettings",
    "DetectorSettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "ExplorerSettings",
    "FolderSettings",
    "IndexSettings",
    "PathvarsSettings",
    "QueriesSettings",
    "ReductionSettings",
    "ReportSettings",
    "SearchSetSettings",
    "SearchSettings",
    "Settings",
]
