"""What is said where the queue of an earlier run cannot be reached; the rest needs a cluster."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from visualsearch import slurm
from visualsearch.errors import InputError

ELSEWHERE = SimpleNamespace()
IN_QUEUE = SimpleNamespace(run_uuid="this-run")


def test_a_run_notes_its_name_until_it_ends(tmp_path: Path) -> None:
    slurm.take_over(tmp_path, ELSEWHERE)
    assert not list(tmp_path.iterdir())
    slurm.take_over(tmp_path, IN_QUEUE)
    assert (tmp_path / slurm.NAME).read_text() == "this-run\n"
    slurm.forget(tmp_path)
    slurm.forget(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("executor", [ELSEWHERE, IN_QUEUE], ids=["here", "SLURM"])
def test_jobs_of_an_earlier_run_that_cannot_be_cancelled_stop_the_next(
    executor: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / slurm.NAME).write_text("earlier\n")
    with pytest.raises(InputError, match="scancel --name earlier") as raised:
        slurm.take_over(tmp_path, executor)
    assert "\n" not in str(raised.value)
    assert (tmp_path / slurm.NAME).read_text() == "earlier\n"


def test_only_slurm_has_a_queue() -> None:
    assert slurm.canceller(ELSEWHERE) is None
