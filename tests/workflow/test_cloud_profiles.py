"""The profiles for a bucket and for Kubernetes, as far as a dry run goes: no cluster was used."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from running import SHORT
from s3_server import BUCKET, InBucket, S3Server, credentials

SECRET_NAME = re.compile(r"(?i)(access|secret).?key|password|token")


@pytest.fixture(scope="module")
def plugin() -> Any:
    return pytest.importorskip(
        "snakemake_executor_plugin_kubernetes",
        reason="PROFILE kubernetes NOT TESTED: pip install -r requirements-cloud.txt",
    )


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials().items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "127.0.0.1")
        started = S3Server()
        yield started
        started.stop()


def test_a_dry_run_plans_all_jobs(server: S3Server, plugin: Any, tmp_path: Path) -> None:
    workspace = InBucket(tmp_path, SHORT, server, "kubernetes")
    said = workspace.run("--dry-run", "--profile", str(ROOT / "profiles/kubernetes"))
    planned = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert planned["detect_persons"] == planned["embed_persons"] == "2"
    assert planned["render_report"] == "1"
    assert f"s3://{BUCKET}" in said


def test_each_option_of_the_platform_is_a_setting_of_its_plugin(plugin: Any) -> None:
    """Snakemake refuses any other."""
    known = {field.name for field in fields(plugin.ExecutorSettings)}
    options = [key for key in profile("kubernetes") if key.startswith("kubernetes-")]
    assert options
    assert {key.removeprefix("kubernetes-").replace("-", "_") for key in options} <= known


@pytest.mark.parametrize("name", ["s3", "kubernetes"])
def test_no_secret_lies_in_a_profile(name: str) -> None:
    assert not [key for key in profile(name) if SECRET_NAME.search(key)]


def test_kubernetes_is_told_the_manufacturer_wherever_a_rule_counts_gpus() -> None:
    """Without it the plugin refuses the job, and without limits a cluster does."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    rules = dict(re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", text, re.MULTILINE))
    given = profile("kubernetes")["set-resources"]
    assert given.keys() == {name for name, body in rules.items() if "gpu=" in body}
    assert all(set(of) == {"gpu_manufacturer", "scale"} for of in given.values())
