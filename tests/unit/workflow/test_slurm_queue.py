"""What is said where the queue of an earlier run cannot be reached; the rest needs a cluster."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from visualsearch.core.errors import InputError
from visualsearch.workflow import slurm

ELSEWHERE = SimpleNamespace()
IN_QUEUE = SimpleNamespace(run_uuid="this-run")


def test_a_run_here_leaves_no_note(tmp_path: Path) -> None:
    slurm.take_over(tmp_path, ELSEWHERE)
    slurm.forget(tmp_path, ELSEWHERE)
    assert not list(tmp_path.iterdir())


def test_the_note_stays_where_the_queue_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    slurm.take_over(tmp_path, IN_QUEUE)
    slurm.forget(tmp_path, IN_QUEUE)
    assert (tmp_path / slurm.NAME).read_text() == "this-run\n"


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
