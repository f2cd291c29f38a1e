"""Says in one line what this machine lacks, before anything is installed or run. `make` calls it.

    python install/check_machine.py --install .venv    # before installing
    python install/check_machine.py                    # before running what is installed

It needs no package.
"""

import argparse
import importlib.util
import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
import tempfile

SUPPORTED = "Linux on x86_64 or aarch64, or macOS 14 and newer on Apple silicon"
# Snakemake does not quote its Python's path when it starts a script (its issue 2645), and venv
# refuses a colon.
UNUSABLE_IN_PATH = re.compile(r"[\s\"'`\\$&|;<>()*?\[\]:]")
GB = 1e9
# What is installed with each PyTorch, and what pip downloads for it into the folder for temporary
# files and again into its cache. Measured with Python 3.13, rounded up.
INSTALLED = {"locked": 6.8 * GB, "cpu": 2 * GB, "there": 1.1 * GB}
DOWNLOADED = {"locked": 3.5 * GB, "cpu": 0.5 * GB, "there": 0.3 * GB}
TO_RUN = 0.1 * GB


def platform_problem() -> str | None:
    """Name a system that PyTorch has no builds for."""
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and machine in ("x86_64", "aarch64"):
        if "musl" in str(sysconfig.get_config_var("SOABI")):
            return "PyTorch has no builds for this system's C library, musl; use a Linux with glibc"
        return None
    if system == "Darwin" and machine == "arm64":
        version = platform.mac_ver()[0]
        if int(version.split(".")[0]) >= 14:
            return None
        return f"this is macOS {version}, and the packages have builds for 14 and newer"
    if system == "Darwin":
        return f"PyTorch has no builds for Macs with Intel processors; use {SUPPORTED}"
    if system == "Linux":
        return f"PyTorch has no builds for Linux on {machine}; use {SUPPORTED}"
    return f"this does not run on {system}; use WSL, or {SUPPORTED}"


def path_problem(venv: str) -> str | None:
    """Name a place of the environment from which scripts could not be started."""
    bad = UNUSABLE_IN_PATH.search(os.path.abspath(venv))
    if bad is None:
        return None
    return (
        f"the environment would lie in {os.path.abspath(venv)!r}, and Snakemake cannot start a"
        f" Python from a path with {bad.group()!r}; move this folder, or name another place:"
        " make VENV=/another/place"
    )


def missing_problem(torch: str) -> str | None:
    """Name what is missing to make an environment and to compile annoy."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    missing = {}
    # Debian keeps it in a package of its own, beside the module venv.
    ensurepip = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "__main__.py")
    has_pip = torch == "there" and importlib.util.find_spec("pip") is not None
    if not os.path.isfile(ensurepip) and not has_pip:
        missing["venv"] = f"{python}-venv"
    if not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")):
        missing["Python.h"] = f"{python}-dev"
    for variable, default, language in (("CC", "cc", "C"), ("CXX", "c++", "C++")):
        command = os.environ.get(variable) or sysconfig.get_config_var(variable) or default
        if shutil.which(shlex.split(command)[0]) is None:
            missing[f"a {language} compiler ({command})"] = "g++"
    if not missing:
        return None
    packages = " ".join(sorted(set(missing.values())))
    if platform.system() == "Darwin":
        how = "xcode-select --install, and a Python of python.org or Homebrew"
    elif shutil.which("apt-get"):
        how = f"sudo apt install {packages}"
    else:
        how = f"install what Debian calls {packages}"
    return f"{sys.executable} lacks what installation needs, {', '.join(missing)}: {how}"


def existing(path: str) -> str:
    """The path, or the nearest folder above it that is there."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def can_write(folder: str) -> bool:
    """Whether a file can be made there. Permissions do not tell of a disk that is read-only."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def temporary_folder() -> str:
    """Where compilers and pip put temporary files. Python by itself passes over a full TMPDIR."""
    named = os.environ.get("TMPDIR", "")
    return named if os.path.isdir(named) else tempfile.gettempdir()


def writing_problem(venv: str | None) -> str | None:
    """Name a folder that must be written and cannot be."""
    here = os.getcwd()
    if not can_write(here):
        return f"{here} cannot be written; clone into a folder of your own"
    if venv and not can_write(existing(venv)):
        return f"{existing(venv)} cannot be written; name another place: make VENV=/another/place"
    cache = cache_folder()
    if not can_write(existing(cache)):
        return (
            f"{cache}, where Snakemake keeps a cache, cannot be written; set HOME or XDG_CACHE_HOME"
            " to a folder that you can write"
        )
    return None


def cache_folder() -> str:
    """Where Snakemake and PyTorch keep what many runs use."""
    home = os.path.expanduser("~")
    if platform.system() == "Darwin":
        return os.path.join(home, "Library", "Caches")
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")


def room_problem(needs: list[tuple[str, str, float]]) -> str | None:
    """Name a disk with too little room. needs: folder, what to do, bytes; added up by disk."""
    wanted: dict[int, float] = {}
    for folder, remedy, size in needs:
        disk = os.stat(folder).st_dev
        wanted[disk] = wanted.get(disk, 0) + size
        free = shutil.disk_usage(folder).free
        if free < wanted[disk]:
            return (
                f"the disk of {folder} has {free / GB:.1f} GB free and"
                f" {wanted[disk] / GB:.1f} GB are needed; {remedy}"
            )
    return None


def first_problem(venv: str | None, torch: str) -> str | None:
    """The first thing that installation into `venv` lacks or, without that, what a run lacks."""
    temporary = temporary_folder(), "make room, or set TMPDIR to a folder with room"
    if venv is None:
        return writing_problem(None) or room_problem([(*temporary, TO_RUN)])
    remedy = "make room" if torch != "locked" else "make room, or install without CUDA: make CPU=1"
    needs = [(existing(venv), remedy, INSTALLED[torch]), (*temporary, DOWNLOADED[torch])]
    if not os.environ.get("PIP_NO_CACHE_DIR"):
        in_cache = existing(cache_folder()), "make room, or set PIP_NO_CACHE_DIR=1"
        needs.append((*in_cache, DOWNLOADED[torch]))
    if os.path.exists(os.path.join(venv, ".packages-installed")):
        needs = []  # Only what a new lock changes is installed, and that is less by far.
    return (
        platform_problem()
        or path_problem(venv)
        or missing_problem(torch)
        or writing_problem(venv)
        or room_problem(needs)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", metavar="VENV", help="check what installation needs too")
    parser.add_argument("--torch", choices=sorted(INSTALLED), default="locked")
    given = parser.parse_args()
    problem = first_problem(given.install, given.torch)
    if problem:
        sys.exit(problem)
