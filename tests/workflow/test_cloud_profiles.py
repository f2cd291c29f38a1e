"""The profiles for clouds, as far as a dry run goes: no cloud was at hand."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from running import SHORT
from s3_server import BUCKET, KEY, SECRET, InBucket, S3Server, credentials

PLUGINS = {
    "kubernetes": "snakemake_executor_plugin_kubernetes",
    "googlebatch": "snakemake_executor_plugin_googlebatch",
    "aws-batch": "snakemake_executor_plugin_aws_batch",
}
# What a user of the platform has in the environment; names of nothing.
ENVIRONMENT = {
    "SNAKEMAKE_GOOGLEBATCH_PROJECT": "project",
    "SNAKEMAKE_GOOGLEBATCH_REGION": "europe-west1",
    "SNAKEMAKE_AWS_BATCH_JOB_QUEUE": "arn:aws:batch:eu-central-1:123456789012:job-queue/queue",
    "SNAKEMAKE_AWS_BATCH_JOB_ROLE": "arn:aws:iam::123456789012:role/jobs",
}
SECRET_NAME = re.compile(r"(?i)(access|secret).?key|password|token")
every_platform = pytest.mark.parametrize("platform", PLUGINS)


def plugin(platform: str) -> Any:
    return pytest.importorskip(
        PLUGINS[platform],
        reason=f"PROFILE {platform} NOT TESTED: pip install -r requirements-cloud.txt",
    )


def profile(platform: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / platform / "config.yaml").read_text())


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (credentials() | ENVIRONMENT).items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "127.0.0.1")
        started = S3Server()
        yield started
        started.stop()


def dry_run(server: S3Server, folder: Path, profile: Path, **options: Any) -> str:
    workspace = InBucket(folder, SHORT, server, folder.name)
    return workspace.run("--dry-run", "--profile", str(profile), **options)


@every_platform
def test_a_dry_run_plans_all_jobs(server: S3Server, platform: str, tmp_path: Path) -> None:
    plugin(platform)
    said = dry_run(server, tmp_path, ROOT / "profiles" / platform)
    planned = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert planned["detect_persons"] == planned["embed_persons"] == "2"
    assert planned["render_report"] == "1"
    assert f"s3://{BUCKET}" in said


@every_platform
def test_snakemake_refuses_an_option_that_the_plugin_does_not_know(
    server: S3Server, platform: str, tmp_path: Path
) -> None:
    plugin(platform)
    wrong = tmp_path / "profile"
    wrong.mkdir()
    option = f"{platform}-no-such-option"
    (wrong / "config.yaml").write_text(yaml.safe_dump(profile(platform) | {option: "x"}))
    said = dry_run(server, tmp_path / "run", wrong, fails=True)
    assert option in said


@every_platform
def test_each_option_of_the_platform_is_a_setting_of_its_plugin(platform: str) -> None:
    known = {field.name for field in fields(plugin(platform).ExecutorSettings)}
    named = {
        key.removeprefix(f"{platform}-").replace("-", "_")
        for key in profile(platform)
        if key.startswith(f"{platform}-")
    }
    assert named and named <= known
    assert profile(platform)["executor"] == platform


@pytest.mark.parametrize("name", ["s3", *PLUGINS])
def test_no_secret_lies_in_a_profile(name: str) -> None:
    assert not [key for key in profile(name) if SECRET_NAME.search(key)]


def rules() -> dict[str, str]:
    """The text of each rule."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    return dict(re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", text, re.MULTILINE))


@every_platform
def test_resources_are_set_for_rules_that_there_are(platform: str) -> None:
    assert profile(platform).get("set-resources", {}).keys() <= rules().keys()


def test_kubernetes_is_told_the_manufacturer_wherever_a_rule_counts_gpus() -> None:
    """Without it the plugin refuses the job, and without limits a cluster does."""
    given = profile("kubernetes")["set-resources"]
    counting = {name for name, text in rules().items() if "gpu=" in text}
    assert counting == given.keys()
    assert all(set(of) == {"gpu_manufacturer", "scale"} for of in given.values())


def test_aws_batch_is_given_sizes_that_it_takes() -> None:
    """Any other, the plugin would turn into the least of so many cores."""
    plugin("aws-batch")
    sizes = importlib.import_module(f"{PLUGINS['aws-batch']}.constant").VALID_RESOURCES_MAPPING
    settings = profile("aws-batch")
    default = settings["default-resources"]["mem_mb"]
    for name, text in rules().items():
        needs, threads = (re.search(rf"{key}(\d+)", text) for key in ("mem_mb=", "threads: "))
        given = settings["set-resources"].get(name, {}).get("mem_mb", default)
        assert given >= int(needs[1] if needs else 0), name
        assert int(threads[1] if threads else 1) in sizes[given], name


def test_google_batch_can_hand_the_snakefile_through_a_shell() -> None:
    assert not re.search(r"[`$\\]", (ROOT / "Snakefile").read_text())


@pytest.mark.s3
def test_a_job_as_aws_batch_gets_it(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server imitates Batch too, and takes jobs without running them: the first one is sent."""
    plugin("aws-batch")
    server.run_no_containers()
    role = server.connect("iam").create_role(RoleName="jobs", AssumeRolePolicyDocument="{}")
    arn = role["Role"]["Arn"]
    batch = server.connect("batch", "eu-central-1")
    environment = batch.create_compute_environment(
        computeEnvironmentName="machines", type="UNMANAGED", state="ENABLED", serviceRole=arn
    )
    place = {"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}
    queue = batch.create_job_queue(
        jobQueueName="queue", state="ENABLED", priority=1, computeEnvironmentOrder=[place]
    )
    monkeypatch.setenv("SNAKEMAKE_AWS_BATCH_JOB_QUEUE", queue["jobQueueArn"])
    monkeypatch.setenv("SNAKEMAKE_AWS_BATCH_JOB_ROLE", arn)
    # The machine's own login, and no key for jobs: these have their role.
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for name in credentials():
        monkeypatch.delenv(name)
    workspace = InBucket(tmp_path, SHORT, server, "batch")
    options = ["--seconds-between-status-checks", "1", "--latency-wait", "1"]
    workspace.run("--profile", str(ROOT / "profiles/aws-batch"), *options, fails=True)
    sent = [
        definition
        for definition in batch.describe_job_definitions()["jobDefinitions"]
        if "fetch_annotations" in definition["jobDefinitionName"]
    ]
    container = sent[0]["containerProperties"]
    assert container["image"] == profile("aws-batch")["container-image"]
    assert container["jobRoleArn"] == arn
    assert {"type": "MEMORY", "value": "3072"} in container["resourceRequirements"]
    assert sent[0]["timeout"]["attemptDurationSeconds"] == 21600
    assert "--deploy-sources" in container["command"][-1]
    # Whoever may look at a definition reads its environment.
    assert SECRET not in str(sent)
