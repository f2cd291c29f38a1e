"""Shared by all tests: the library on the path, and the optional folder of real test data."""

import fcntl
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from running import Workspace

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
sys.path.insert(0, str(ROOT / "tests"))

# Fixtures of the tests of sources.
pytest_plugins = ["coco_dataset"]

# The same inputs each time; with --hypothesis-profile torture, others each time, and many more.
# Neither asks a clock: the machine may be slow.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "same", patient, max_examples=60, derandomize=True, database=None, report_multiple_bugs=False
)
settings.register_profile("torture", patient, max_examples=300, print_blob=True)
settings.load_profile("same")


def pytest_configure() -> None:
    import networks

    networks.begin()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository that holds real COCO data for tests."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("NOT TESTED ON REAL DATA: there is no folder ../shared beside the repository")
    return folder


@pytest.fixture(scope="session")
def coco_sample(shared: Path) -> Path:
    """140 real COCO images with annotations."""
    return shared / "coco-sample"


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """Several test processes and jobs share the machine."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> "Workspace":
    """The demo without its explorer, run once. Tests do not change its results."""
    from running import demo_config

    return finished_run(tmp_path_factory, "demo", demo_config())


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> "Workspace":
    """A run of a few pictures that nobody disturbed. Tests do not change its results."""
    from running import SHORT

    return finished_run(tmp_path_factory, "short", SHORT)


@pytest.fixture(scope="session")
def undisturbed(short_run: "Workspace") -> dict[str, str]:
    """Hashes of all results of the short run."""
    from running import results_of

    return results_of(short_run)


@pytest.fixture(scope="session")
def explored(demo: "Workspace", tmp_path_factory: pytest.TempPathFactory) -> "Workspace":
    """The demo's results, with the explorer made from them. Tests do not change its results.

    Its page searches for its reader's own pictures, if the packages for that are installed.
    """
    from running import demo_config
    from visualsearch.explorer import PACKAGES

    config = demo_config(explorer={"own_pictures": all(map(find_spec, PACKAGES))})
    return finished_run(tmp_path_factory, "explored", config, demo, "explorer")


def finished_run(
    factory: pytest.TempPathFactory,
    name: str,
    config: dict[str, Any],
    start: "Workspace | None" = None,
    *targets: str,
) -> "Workspace":
    """A copy of a run. The first of the test processes to ask makes it, the others wait for it.

    start: a run whose results it goes on from.
    """
    from running import Workspace

    own = factory.mktemp(name)
    of_all = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_all = of_all.parent
    made, complete = of_all / f"{name}-made", of_all / f"{name}-complete"
    with (of_all / f"{name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(made, ignore_errors=True)
            workspace = start.copy(made, config) if start else Workspace(made, config)
            complete.write_text(workspace.run(*targets))
    shutil.copytree(made, own, dirs_exist_ok=True)
    workspace = Workspace(own, config)
    workspace.printed = complete.read_text()
    return workspace
