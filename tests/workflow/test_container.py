"""The image, built from the Dockerfile by a real engine, and run as docs/module.md says."""

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from docker_engine import Docker, answers, import_stand_in, own_engine
from running import PAGES, SHORT, Workspace, results_of

pytestmark = [pytest.mark.container, pytest.mark.timeout(3600)]
BASES = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
IMAGE = "visual-search-test"
SNAKEMAKE = ("snakemake", "--snakefile", "/opt/visual-search/Snakefile", "--cores", "2")
# The same arrays; Pythons of other patch versions write another header into its zip.
PACKED = "pca/model.npz"
# Somebody who is not in the image's list of users.
STRANGER = 4321


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """An engine that has the image."""
    folder = tmp_path_factory.mktemp("docker")
    running = Docker("docker")
    if shutil.which("docker") and answers(running):
        engine = nullcontext(running)
    elif shutil.which("dockerd") and os.geteuid() == 0:
        engine = own_engine(folder / "engine")
        (folder / "engine").mkdir()
    else:
        pytest.skip("THE IMAGE IS NOT TESTED: no Docker runs, and none can be started here")
    with engine as docker:
        (base,) = BASES
        there = docker.try_("image", "inspect", base).returncode == 0
        if not there and docker.try_("pull", base).returncode != 0:
            if not shutil.which("debootstrap") or os.geteuid() != 0:
                pytest.skip(f"THE IMAGE IS NOT TESTED: {base} cannot be pulled, nor made")
            import_stand_in(docker, base, folder / "base")
            warnings.warn(f"{base} cannot be pulled; Debian stands in for it", stacklevel=1)
        docker("build", "--network", "host", "--tag", IMAGE, ROOT)
        yield docker
        docker("rmi", "--force", IMAGE)


@pytest.fixture(scope="module")
def volume(docker: Docker) -> Iterator[str]:
    """The volume in which the default command has run, with no network."""
    said = docker("run", "--rm", "--network", "none", "--volume", f"{IMAGE}:/work", IMAGE)
    assert "Found     " in said
    yield IMAGE
    docker("volume", "rm", IMAGE)


def test_the_default_command_is_the_demo(
    docker: Docker, volume: str, demo: Workspace, tmp_path: Path
) -> None:
    docker("run", "--name", volume, "--volume", f"{volume}:/work", IMAGE, "true")
    docker("cp", f"{volume}:/work/.", tmp_path)
    docker("rm", volume)
    ran = Workspace(tmp_path, {})
    ran.results = tmp_path / "results/demo"
    found, expected = results_of(ran), results_of(demo)
    # The pages say how long it took, and that there is an explorer here.
    clock = {f"report/{name}" for name in (*PAGES, "run.json")}
    same = set(expected) - clock - {PACKED}
    assert {"search/hits.parquet", "report/figures/query-001.jpg", "report/hits.csv"} <= same
    assert {name: found[name] for name in same} == {name: expected[name] for name in same}
    assert (ran.results / "report/explorer/index.html").is_file()


def test_the_volume_remembers(docker: Docker, volume: str) -> None:
    said = docker("run", "--rm", "--network", "none", "--volume", f"{volume}:/work", IMAGE)
    assert "Nothing to be done" in said


def test_own_pictures_as_anybody_and_nothing_written_elsewhere(
    docker: Docker, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """The bytes of a run without a container, on a root file system that may only be read."""
    config = SHORT | {"pathvars": {"results": "results/test"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    os.chown(tmp_path, STRANGER, STRANGER)
    docker(
        *("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"),
        *("--user", f"{STRANGER}:{STRANGER}", "--volume", f"{tmp_path}:/work", IMAGE),
        *(*SNAKEMAKE, "--configfile", "mine.yaml"),
    )
    ran = Workspace(tmp_path, {})
    ran.results = tmp_path / "results/test"
    found = results_of(ran)
    assert found.keys() == undisturbed.keys()
    # Not the pages: they showed the settings in the order given when this ran last.
    same = set(found) - {f"report/{name}" for name in PAGES} - {PACKED}
    assert {name: found[name] for name in same} == {name: undisturbed[name] for name in same}
    assert {path.stat().st_uid for path in ran.results.rglob("*")} == {STRANGER}


def test_the_image_for_the_cloud_is_built_from_the_clone(docker: Docker, tmp_path: Path) -> None:
    """With the lines of docs/past-one-machine.md."""
    page = (ROOT / "docs/past-one-machine.md").read_text()
    (lines,) = re.findall(r"^```dockerfile\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "Dockerfile").write_text(lines.replace("FROM visual-search", f"FROM {IMAGE}"))
    tag = f"{IMAGE}-cloud"
    docker("build", "--network=host", "--tag", tag, "--file", tmp_path / "Dockerfile", ROOT)
    code = "import snakemake_storage_plugin_s3"
    docker("run", "--rm", "--network", "none", tag, "python", "-c", code)
    docker("rmi", tag)


def test_what_is_in_the_image(docker: Docker) -> None:
    def inside(script: str) -> str:
        return docker("run", "--rm", "--network", "none", IMAGE, "sh", "-c", script)

    assert inside("id --user --name").strip() == "searcher"
    assert not inside("command -v cc gcc g++ make || true")
    assert not inside("find /opt -writable -not -type l")
    shipped = {"LICENSE", "Makefile", "Snakefile", "config", "envs", "notebooks", "profiles"}
    shipped |= {"install", "requirements-lock.txt", "requirements-s3.txt", "resources", "workflow"}
    assert set(inside("ls -A /opt/visual-search").split()) == shipped
    lock = (ROOT / "requirements-lock.txt").read_text()
    locked = set(re.findall(r"^(\S+)==(\S+)", lock, re.MULTILINE))
    names = inside("pip freeze --all").lower().replace("_", "-").split()
    installed = {tuple(line.split("==")) for line in names if not line.startswith("pip==")}
    assert {"annoy", "snakemake", "torch"} <= {name for name, *_ in installed}
    assert installed <= locked
    print(docker("image", "ls", IMAGE))
