"""A local S3 server (moto's), and workspaces whose results lie in a bucket of it."""

import hashlib
import logging
import shutil
import socket
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from conftest import ROOT
from running import NO_RESULTS, Workspace

BUCKET = "pictures-and-results"
KEY, SECRET = "AKIDOFTHETESTS", "no secret"


class S3Server:
    """A server on loopback, in threads of this process. Its objects survive `stop`."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        self.client = self.connect("s3")
        self.client.create_bucket(Bucket=BUCKET)

    def start(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._server._server.server_close()

    def connect(self, service: str, region: str = "us-east-1") -> Any:
        """A client of a service that the server imitates."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def check_credentials(self, check: bool) -> None:
        """Refuse all requests, as there is no known user; or accept all."""
        actions = "0" if check else "inf"
        self._tell("reset-auth", actions, "text/plain")

    def _tell(self, what: str, body: str, kind: str) -> None:
        url, head = f"{self.url}/moto-api/{what}", {"Content-Type": kind}
        urlopen(Request(url, body.encode(), head, method="POST"))

    def put(self, folder: Path, prefix: str) -> None:
        """Upload a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.client.upload_file(str(path), BUCKET, key)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """All objects under a prefix, by their names without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{prefix}/"
        )
        return {
            found["Key"].removeprefix(f"{prefix}/"): self.client.get_object(
                Bucket=BUCKET, Key=found["Key"]
            )["Body"].read()
            for page in pages
            for found in page.get("Contents", [])
        }

    def delete(self, key: str) -> None:
        self.client.head_object(Bucket=BUCKET, Key=key)
        self.client.delete_object(Bucket=BUCKET, Key=key)


class InBucket(Workspace):
    """A workspace whose results lie in the bucket, under `prefix`."""

    def __init__(self, folder: Path, config: dict[str, Any], server: S3Server, prefix: str) -> None:
        super().__init__(folder, config)
        self.server = server
        self.prefix = prefix
        self.copies = folder / ".snakemake/storage/s3" / BUCKET / prefix / "results/test"

    def command(self, *arguments: str, cores: int = 2, config: str = "test.yaml") -> list[str]:
        return [
            *super().command(*arguments, cores=cores, config=config),
            *("--default-storage-provider", "s3"),
            *("--default-storage-prefix", f"s3://{BUCKET}/{self.prefix}"),
            *("--storage-s3-endpoint-url", self.server.url),
            *("--storage-s3-retries", "1"),
        ]

    def elsewhere(self, name: str) -> "InBucket":
        """The same run from another machine: a new folder with only the configuration."""
        folder = self.folder.with_name(f"{self.folder.name}-{name}")
        shutil.rmtree(folder, ignore_errors=True)
        return InBucket(folder, self.config, self.server, self.prefix)

    def objects(self) -> dict[str, bytes]:
        """Each result in the bucket."""
        found = self.server.objects(f"{self.prefix}/results/test")
        return {
            name: data
            for name, data in found.items()
            # Snakemake keeps a folder's time in a hidden file.
            if PurePosixPath(name).parts[0] not in NO_RESULTS
            and not PurePosixPath(name).name.startswith(".")
        }

    def hashes(self) -> dict[str, str]:
        """sha256 of each result that a run without storage has as well."""
        return {
            name: hashlib.sha256(data).hexdigest()
            for name, data in sorted(self.objects().items())
            if not only_in_storage(name)
        }


class JobsElsewhere(InBucket):
    """Each job runs in an empty folder, as on a cloud, and has only what is in the bucket.

    `folder` becomes a clone of the project, because jobs get the code that git lists.
    """

    longest_seconds = 1800

    def __init__(self, folder: Path, config: dict[str, Any], server: S3Server, prefix: str) -> None:
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")[:-1]:
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        super().__init__(folder, config, server, prefix)
        self.root = folder
        self.machines = folder.with_name(f"{folder.name}-machines")
        self.machines.mkdir()
        for arguments in (["init", "--quiet"], ["add", "."]):
            subprocess.run(["git", *arguments], cwd=folder, check=True)

    def command(self, *arguments: str, cores: int = 2, config: str = "test.yaml") -> list[str]:
        script = f"{sys.executable} {ROOT / 'tests/other_machine.py'}"
        return [
            *super().command(*arguments, cores=cores, config=config),
            *("--executor", "cluster-generic", "--jobs", "2", "--shared-fs-usage", "none"),
            *("--job-deploy-sources", "--seconds-between-status-checks", "1"),
            *("--cluster-generic-submit-cmd", f"{script} submit {self.machines}"),
            *("--cluster-generic-status-cmd", f"{script} status {self.machines}"),
        ]

    def said(self) -> list[str]:
        """What the job of each machine has printed."""
        return [path.read_text() for path in sorted(self.machines.glob("*.said"))]


def only_in_storage(name: str) -> bool:
    """Whether a result exists because jobs share no disk."""
    return name.startswith(("dataset/pictures/", "detections/weights."))


def credentials() -> dict[str, str]:
    """The credentials for the server, as a user sets them."""
    return {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": KEY, "SNAKEMAKE_STORAGE_S3_SECRET_KEY": SECRET}
