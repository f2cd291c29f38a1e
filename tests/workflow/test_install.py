"""`make` installs, from an index of small packages, and mends what was moved: the real Makefile."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import make, small_checkout
from conftest import ROOT
from local_index import Index

pytestmark = pytest.mark.beyond
SNAKEMAKE = "import sys; print('ran in', sys.prefix, *sys.argv[1:])"
CUDA = "nvidia-cublas"


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, Index, str]:
    """The package index and PyTorch's own, and a lock of what the first has."""
    usual, pytorch = (Index(tmp_path_factory.mktemp(name)) for name in ("usual", "pytorch"))
    pins = {"setuptools": usual.add_setuptools(), "annoy": "1.17.3", CUDA: "13.1.1.3"}
    pins |= {"torch": "2.14.1", "torchvision": "0.29.1", "triton": "3.8.0", "snakemake": "9.27.1"}
    usual.add_annoy()
    usual.add_wheel("torch", "2.14.1", requires=CUDA)
    usual.add_wheel("snakemake", "9.27.1", command=SNAKEMAKE)
    for name in ("torchvision", "triton", CUDA):
        usual.add_wheel(name, pins[name])
    for name in ("torch", "torchvision"):
        pytorch.add_wheel(name, pins[name], requires=CUDA)
        pytorch.add_wheel(name, f"{pins[name]}+cpu")
    lines = [
        f"{name}=={version} \\\n    --hash=sha256:{usual.hashes[name]}\n"
        for name, version in sorted(pins.items())
    ]
    return usual, pytorch, "".join(lines)


class Checkout:
    """A checkout that installs from these indexes alone."""

    def __init__(self, folder: Path, indexes: tuple[Index, Index, str]) -> None:
        self.folder = folder
        self.indexes = indexes
        if not folder.exists():
            small_checkout(folder)
            (folder / "requirements-lock.txt").write_text(indexes[2])
            shutil.copytree(ROOT / "workflow/scripts", folder / "workflow/scripts")

    def make(self, *arguments: str, fails: bool = False) -> str:
        """Run make; return all it printed."""
        usual, pytorch, _ = self.indexes
        no_pip: dict[str, str | None] = dict.fromkeys(
            key for key in os.environ if key[:4] == "PIP_"
        )
        alone = no_pip | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": usual.address}
        done = make(self.folder, *arguments, TORCH_INDEX=pytorch.address, **alone)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, command: str, *arguments: str) -> str:
        """What a command of the environment prints."""
        return subprocess.check_output(
            [self.folder / ".venv/bin" / command, *arguments], cwd=self.folder, text=True
        )

    def installed(self) -> set[str]:
        """Packages of the environment that are not pip's own."""
        listed = self.run("pip", "freeze", "--all", "--exclude-editable").split()
        return {pin for pin in listed if not pin.startswith(("pip==", "setuptools=="))}


REST = {"annoy==1.17.3", "snakemake==9.27.1"}


def test_without_cuda_and_moved(tmp_path: Path, indexes: tuple[Index, Index, str]) -> None:
    checkout = Checkout(tmp_path / "checkout", indexes)
    ran = f"ran in {checkout.folder}/.venv --cores all --configfile config/demo.yaml"
    assert ran in checkout.make("demo", "CPU=1")
    assert checkout.installed() == REST | {"torch==2.14.1+cpu", "torchvision==0.29.1+cpu"}
    # Again, and without saying so.
    said = checkout.make("demo")
    assert ran in said and "pip install" not in said
    said = checkout.make("demo", "TORCH=locked", fails=True)
    assert ".venv was made with another PyTorch (cpu); remove it first: rm -r .venv" in said

    moved = Checkout(checkout.folder.rename(tmp_path / "moved"), indexes)
    said = moved.make("demo")
    assert f"ran in {tmp_path}/moved/.venv --cores" in said and "annoy" not in said
    assert moved.run("visualsearch", "--version").startswith("visualsearch ")
    code = "import visualsearch; print(visualsearch.__file__)"
    assert moved.run("python", "-c", code).startswith(f"{tmp_path}/moved/workflow/")
    assert str(tmp_path / "moved") in moved.run("pip", "--version")

    shutil.copytree(moved.folder, tmp_path / "copy", symlinks=True)
    copy = Checkout(tmp_path / "copy", indexes)
    assert f"ran in {tmp_path}/copy/.venv --cores" in copy.make("demo")
    assert f"ran in {tmp_path}/moved/.venv --cores" in moved.make("demo")

    # As after the system's Python was replaced.
    for python in (copy.folder / ".venv/bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nonexistent/python")
    assert f"ran in {tmp_path}/copy/.venv --cores" in copy.make("demo")
    assert copy.installed() == moved.installed()


def test_with_the_lock_alone(tmp_path: Path, indexes: tuple[Index, Index, str]) -> None:
    checkout = Checkout(tmp_path / "checkout", indexes)
    checkout.make(".venv/.installed")
    all_of_it = {"torch==2.14.1", "torchvision==0.29.1", "triton==3.8.0", f"{CUDA}==13.1.1.3"}
    assert checkout.installed() == REST | all_of_it
    said = checkout.make("demo", "CPU=1", fails=True)
    assert ".venv was made with another PyTorch (locked)" in said
    # Another hash than the lock's.
    shutil.rmtree(checkout.folder / ".venv")
    lock = checkout.folder / "requirements-lock.txt"
    lock.write_text(lock.read_text().replace(indexes[0].hashes["triton"], "0" * 64))
    assert "DO NOT MATCH THE HASHES" in checkout.make(".venv/.installed", fails=True)


def test_with_the_torch_that_is_there(tmp_path: Path, indexes: tuple[Index, Index, str]) -> None:
    checkout = Checkout(tmp_path / "checkout", indexes)
    checkout.make(".venv/.installed", "TORCH=there")
    code = "from importlib.metadata import distributions as all; print(*{d.name for d in all()})"
    assert {"annoy", "snakemake"} <= set(checkout.run("python", "-c", code).split())
    own = {path.name for path in checkout.folder.glob(".venv/lib/python*/site-packages/*.py")}
    assert "snakemake.py" in own and not own & {"torch.py", "torchvision.py", "triton.py"}
    assert "system-site-packages = true" in (checkout.folder / ".venv/pyvenv.cfg").read_text()
    shutil.move(checkout.folder, tmp_path / "moved")
    Checkout(tmp_path / "moved", indexes).make("demo")
    # The mended environment still sees what the Python has.
    assert "system-site-packages = true" in (tmp_path / "moved/.venv/pyvenv.cfg").read_text()
