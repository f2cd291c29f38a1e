"""Without a Docker: what the Dockerfiles copy is there, and .dockerignore lets it through."""

import re
from pathlib import Path

import pytest

from conftest import ROOT

FOR_THE_CLOUD = ROOT / "docs/past-one-machine.md"


@pytest.mark.parametrize("path", [ROOT / "Dockerfile", FOR_THE_CLOUD], ids=lambda path: path.name)
def test_what_is_copied_is_let_through(path: Path) -> None:
    ignored, *let_through = (
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] in "*!"
    )
    assert ignored == "*"
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE)
    copied = {name for line in copies for name in line.split()} - {"."}
    assert copied and copied <= {line.removeprefix("!") for line in let_through}
    assert all((ROOT / name).exists() for name in copied)
