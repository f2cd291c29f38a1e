"""TORCH=there on a Python like Colab's: it has PyTorch and pip, and lacks ensurepip."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deploying import publish
from small_disk import in_shell_with_disk

pytestmark = [pytest.mark.isolated, pytest.mark.timeout(1800)]

# What PyTorch is made of, with what it brings for GPUs.
TORCH = ("torch*", "functorch", "triton*", "nvidia*", "cuda*")


def test_everything_else_is_installed_beside_it(tmp_path: Path) -> None:
    base = Path(sys.executable).resolve()
    where = "import site, sysconfig; print(site.getsitepackages()[0], sysconfig.get_path('stdlib'))"
    packages, library = subprocess.check_output([base, "-c", where], text=True).split()
    if not Path(packages).is_dir():
        pytest.skip(f"NOT TESTED BESIDE A PYTORCH THAT IS THERE: {base} has no {packages}")
    own = Path(torch.__file__).parents[1]
    there = [path for pattern in TORCH for path in own.glob(pattern)]
    code, venv = publish(tmp_path), tmp_path / "venv"
    ask = "import numpy, torch; print('found', torch.__file__, numpy.__file__)"
    script = f"""
        set -e
        ln -s {shlex.join(map(str, there))} {packages}
        ! {base} -c 'import pip' || mount -t tmpfs none {library}/ensurepip
        cd {code}
        make TORCH=there PYTHON={base} VENV={venv} {venv}/.installed
        {venv}/bin/python -c "{ask}"
        {venv}/bin/snakemake --cores 2 --configfile config/demo.yaml -- embed
    """
    done = in_shell_with_disk(Path(packages), 1, script)
    assert done.returncode == 0, done.stdout[-8000:]
    site = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    expected = f"found {packages}/torch/__init__.py {venv}/{site}/numpy/__init__.py"
    assert expected in done.stdout
    assert not list((venv / site).glob("torch*"))
    assert (code / "results/demo/embeddings/0.parquet").exists()
