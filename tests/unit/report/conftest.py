"""Runs and reports of all tests here. It is a package, so that its name hides no other conftest."""

from pathlib import Path

import pytest

from page_text import Page, page_of
from report_run import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def reranked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With an Annoy index, and a rerank of all persons."""
    return Run(tmp_path_factory.mktemp("reranked"), backend="annoy", rerank=13)


@pytest.fixture(scope="session")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def page(report: Path) -> Page:
    return page_of(report)
