"""What a machine lacks is one line before anything is installed: the real `make`, each time."""

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from checkout import OF_MAKE, make, said_in_one_line, small_checkout
from conftest import ROOT
from small_disk import in_shell_with_disk


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return small_checkout(tmp_path / "checkout")


def make_with_disk(
    disk: Path, megabytes: float, checkout: Path, before: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run `make demo` with a small disk mounted at `disk`, after the shell has done `before`."""
    given = shlex.join(["make", "demo", f"PYTHON={sys.executable}", *arguments])
    script = f"unset {' '.join(OF_MAKE)}\n{before}\ncd {shlex.quote(str(checkout))} && {given}"
    done = in_shell_with_disk(disk, megabytes, script)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "")


def test_a_checkout_under_a_path_with_a_space(tmp_path: Path) -> None:
    checkout = small_checkout(tmp_path / "my pictures (1)")
    said = said_in_one_line(make(checkout, "demo"))
    assert str(checkout / ".venv") in said and "make VENV=/another/place" in said
    assert not (checkout / ".venv").exists()
    # With the environment elsewhere it goes on: here to the compiler, which is not there.
    said = said_in_one_line(make(checkout, "demo", f"VENV={tmp_path}/venv", CXX="no-compiler"))
    assert "a C++ compiler (no-compiler)" in said


def test_an_environment_with_a_space_in_its_path(checkout: Path) -> None:
    said = said_in_one_line(make(checkout, "demo", "VENV=a b"))
    assert 'VENV is "a b"' in said
    assert not list(checkout.glob("a*"))


def test_no_compiler(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make", "uname", "grep", "apt-get"):
        if there := shutil.which(name):
            (programs / name).symlink_to(there)
    said = said_in_one_line(make(checkout, "demo", PATH=str(programs), CC=None, CXX=None))
    assert "a C compiler" in said and "a C++ compiler" in said
    assert "apt install g++" in said or "what Debian calls g++" in said


def test_no_venv_and_no_header(checkout: Path, tmp_path: Path) -> None:
    """As on Debian and Ubuntu without python3-venv and python3-dev."""
    for folder in (sysconfig.get_path("include"), Path(sysconfig.get_path("stdlib"), "ensurepip")):
        # An empty disk over it, in this process's own mounts.
        done = make_with_disk(tmp_path / "disk", 1, checkout, f"mount -t tmpfs none {folder}")
        said = said_in_one_line(done)
        package = "dev" if "include" in str(folder) else "venv"
        assert f"python{sys.version_info[0]}.{sys.version_info[1]}-{package}" in said


@pytest.mark.parametrize("home", ["", "/proc/nobody"])
def test_no_home(checkout: Path, home: str) -> None:
    done = make(checkout, "demo", HOME=home or "/nonexistent", XDG_CACHE_HOME=home or "/proc/x")
    said = said_in_one_line(done)
    assert "where Snakemake keeps a cache, cannot be written" in said
    assert "set HOME or XDG_CACHE_HOME" in said


def test_a_home_that_may_only_be_read(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = f"disk ro; unset XDG_CACHE_HOME; export HOME={home}"
    said = said_in_one_line(make_with_disk(home, 1, checkout, before))
    assert f"{home}/.cache, where Snakemake keeps a cache, cannot be written" in said


def test_a_checkout_that_may_only_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    original = small_checkout(tmp_path / "checkout")
    before = f"cp -r {original}/* {folder}; disk ro"
    said = said_in_one_line(make_with_disk(folder, 5, folder, before))
    assert f"{folder} cannot be written; clone into a folder of your own" in said


def test_a_full_folder_for_temporary_files(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    before = f"head -c 2M /dev/zero > {folder}/full 2> /dev/null; export TMPDIR={folder}"
    said = said_in_one_line(make_with_disk(folder, 1, checkout, before))
    assert f"the disk of {folder} has 0.0 GB free" in said and "set TMPDIR" in said


@pytest.mark.parametrize("cpu", [[], ["CPU=1"]])
def test_too_small_a_disk(checkout: Path, tmp_path: Path, cpu: list[str]) -> None:
    folder = tmp_path / "disk"
    done = make_with_disk(folder, 1500, checkout, "", f"VENV={folder}/venv", *cpu)
    said = said_in_one_line(done)
    assert f"the disk of {folder} has 1.5 GB free" in said
    assert ("2.0 GB are needed" in said) == bool(cpu)
    assert ("or install without CUDA: make CPU=1" in said) == (not cpu)


def test_a_new_lock_needs_no_room_for_everything(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    check = shlex.join([sys.executable, str(ROOT / "install/check_machine.py"), "--install"])
    there = f"mkdir {disk}/venv; touch {disk}/venv/.packages-installed"
    done = in_shell_with_disk(disk, 200, f"{there}; {check} {disk}/venv")
    assert (done.returncode, done.stdout) == (0, "")


def test_before_a_run_too(tmp_path: Path) -> None:
    """`make demo` asks for what a run needs, where everything is installed already."""
    check = shlex.join([sys.executable, str(ROOT / "install/check_machine.py")])
    disk = tmp_path / "disk"
    for before, expected in (
        ("", ""),
        (f"export HOME={disk} XDG_CACHE_HOME=; disk ro", "set HOME or XDG_CACHE_HOME"),
        (f"cd {disk}; disk ro", "clone into a folder of your own"),
        (f"export TMPDIR={disk} CXX=none", "set TMPDIR"),
    ):
        done = in_shell_with_disk(disk, 1, f"{before}\n{check}")
        assert done.returncode == bool(expected), done.stdout
        assert expected in done.stdout and done.stdout.count("\n") == bool(expected)


def check_machine() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "check_machine", ROOT / "install/check_machine.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("system", "machine", "macos", "said"),
    [
        ("Linux", "x86_64", "", None),
        ("Linux", "aarch64", "", None),
        ("Darwin", "arm64", "14.7.1", None),
        ("Darwin", "arm64", "26.1", None),
        ("Darwin", "arm64", "13.6", "this is macOS 13.6"),
        ("Darwin", "x86_64", "15.1", "no builds for Macs with Intel processors"),
        ("Windows", "AMD64", "", "does not run on Windows; use WSL"),
        ("MINGW64_NT-10.0-22631", "x86_64", "", "use WSL"),
        ("Linux", "armv7l", "", "no builds for Linux on armv7l"),
    ],
)
def test_systems(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, macos: str, said: str | None
) -> None:
    """Other systems are not here: what Python says of them."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), machine))
    problem = check_machine().platform_problem()
    if said is None:
        assert problem is None
    else:
        assert said in problem and "\n" not in problem


@pytest.mark.skipif(platform.machine() != "x86_64", reason="NOT TESTED: a kernel that can say i686")
def test_another_processor(checkout: Path) -> None:
    """The kernel itself says so to what runs under linux32."""
    said = said_in_one_line(make(checkout, "demo", before=("linux32",)))
    assert "PyTorch has no builds for Linux on i686" in said


def works(python: str) -> bool:
    """Whether it runs: a version manager leaves names behind which nothing is."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def test_a_python_that_is_too_old(checkout: Path) -> None:
    older = [f"python3.{minor}" for minor in range(6, 11)]
    older += map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3.[6-9]"))
    runs = [name for name in older if shutil.which(name) and works(name)]
    if not runs:
        pytest.skip("NOT TESTED WITH AN OLD PYTHON: there is none here")
    said = said_in_one_line(make(checkout, "demo", python=runs[0]))
    assert said.startswith("Python 3.11, 3.12, 3.13 or 3.14 is needed")


def test_the_newest_python_that_is_complete(tmp_path: Path) -> None:
    def found() -> str:
        command = ["sh", str(ROOT / "install/find_python.sh"), str(tmp_path / "venv")]
        done = subprocess.run(
            command, env={"PATH": str(programs)}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    assert found() == "python3"
    for name in ("python3.11", "python3.12", "python3.13"):
        (programs / name).symlink_to(sys.executable)
    assert found() == "python3.13"
    # A name that a version manager has left, and nothing behind it.
    (programs / "python3.13").unlink()
    (programs / "python3.13").symlink_to(str(shutil.which("false")))
    assert found() == "python3.12"
    # The one of an environment that is there goes first.
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    assert found() == f"{tmp_path}/venv/bin/python"


def test_what_is_here_suffices(checkout: Path) -> None:
    """Otherwise the other tests of this file would prove nothing."""
    command = [sys.executable, "install/check_machine.py", "--install", ".venv", "--torch", "cpu"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
