"""A Docker Engine to test the image with: the one that runs, or one of our own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


class Docker:
    """An engine's command line, with variables of its environment besides the usual."""

    def __init__(self, client: str, **variables: str) -> None:
        self.client = client
        self.environment = os.environ | variables

    def try_(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.client, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command that must succeed; what it printed."""
        done = self.try_(*arguments)
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout


def answers(docker: Docker) -> bool:
    return docker.try_("info").returncode == 0


@contextmanager
def own_engine(folder: Path) -> Iterator[Docker]:
    """A dockerd that keeps everything in `folder`, touches no firewall, and ends with the block."""
    dockerd = shutil.which("dockerd")
    assert dockerd
    socket = f"unix://{folder}/socket"
    # Of the same installation; another's may be of another version.
    client = str(Path(dockerd).parents[1] / "bin/docker")
    # The builder that copies no layer on commit takes half the disk.
    docker = Docker(client, DOCKER_HOST=socket, DOCKER_BUILDKIT="1")
    places = [f"--{name}={folder}/{name}" for name in ("data-root", "exec-root", "pidfile")]
    alone = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    with (folder / "log").open("w") as log:
        engine = subprocess.Popen(
            [dockerd, f"--host={socket}", *places, *alone], stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 60
        while not answers(docker):
            assert engine.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(1)
        yield docker
    finally:
        engine.terminate()
        engine.wait()
        for place in psutil.disk_partitions(all=True):
            # A network namespace stays mounted.
            if Path(place.mountpoint).is_relative_to(folder):
                subprocess.run(["umount", place.mountpoint], check=True)
        shutil.rmtree(folder)


def import_stand_in(docker: Docker, name: str, folder: Path) -> None:
    """Debian 12 with its own Python 3.11 under the name of an image that cannot be pulled.

    What this machine's network asks of pip, a certificate, goes in too.
    """
    packages = "--include=ca-certificates,python3,python3-dev,python3-venv"
    mirror = "http://deb.debian.org/debian"
    made = ["debootstrap", "--variant=minbase", packages, "bookworm", str(folder), mirror]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    certificates = Path("etc/ssl/certs/ca-certificates.crt")
    if (Path("/") / certificates).is_file():
        shutil.copy(Path("/") / certificates, folder / certificates)
        (folder / "etc/pip.conf").write_text(f"[global]\ncert = /{certificates}\n")
    tar = folder.with_suffix(".tar")
    subprocess.run(["tar", "-C", str(folder), "-cf", str(tar), "."], check=True)
    docker("import", tar, name)
    tar.unlink()
    shutil.rmtree(folder)
