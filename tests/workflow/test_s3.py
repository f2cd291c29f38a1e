"""Results, pictures and weights in a bucket, on a local HTTP server that speaks S3."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors.torch import save_file

from conftest import ROOT
from helpers import export_people
from made_weights import random_weights
from running import SHORT, Workspace, demo_config, results_of, without_pictures
from s3_server import (
    BUCKET,
    InBucket,
    JobsElsewhere,
    S3Server,
    credentials,
    only_in_storage,
)
from visualsearch.settings.names import RTDETR

STAGES = {
    "fetch": {"fetch_annotations", "fetch_images", "build_manifest"},
    "detect": {"fetch_weights", "detect_persons", "gather_detections"},
    "embed": {"embed_persons"},
    "reduce": {"fit_pca", "reduce_vectors"},
    "index": {"build_index", "time_index"},
    "search": {"select_queries", "search_persons"},
    "evaluate": {"embed_distorted", "evaluate_search", "evaluate_galleries"},
    "all": {"render_report"},
}
TARGETS = {*STAGES, "default", "report"}
whole = pytest.mark.s3
NOTEBOOK = "notebook/walkthrough.ipynb"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials().items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "127.0.0.1")
        started = S3Server()
        yield started
        started.stop()


@pytest.fixture(scope="module")
def run(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> InBucket:
    """An undisturbed short run in the bucket. Tests do not change its results."""
    workspace = InBucket(tmp_path_factory.mktemp("run"), SHORT, server, "run")
    workspace.said = workspace.run()
    return workspace


def lines_of_error(said: str) -> list[str]:
    return [line for line in said.splitlines() if "cannot be used" in line]


def test_a_storage_that_does_not_answer_is_one_line(server: S3Server, tmp_path: Path) -> None:
    workspace = InBucket(tmp_path, SHORT, server, "nothing")
    server.check_credentials(True)
    try:
        refused = workspace.run("--dry-run", fails=True)
    finally:
        server.check_credentials(False)
    server.stop()
    try:
        gone = workspace.run("--dry-run", fails=True)
    finally:
        server.start()
    for said, why in ((refused, "403"), (gone, server.url)):
        assert len(lines_of_error(said)) == 1, said
        assert why in lines_of_error(said)[0]
        assert "Traceback" not in said
    assert not server.objects("nothing")


def test_fetched_into_a_bucket(server: S3Server, tmp_path: Path) -> None:
    """A sample of the tests that `make test-s3` runs."""
    local = Workspace(tmp_path / "local", SHORT)
    local.run("fetch")
    workspace = InBucket(tmp_path / "here", SHORT, server, "fetched")
    said = workspace.run("fetch")
    assert workspace.hashes() == without_pictures(results_of(local))
    assert {name for name in workspace.objects() if only_in_storage(name)} == {
        "dataset/pictures/0.zip",
        "dataset/pictures/1.zip",
    }
    assert not (workspace.folder / "results").exists(), "nothing lies outside of Snakemake's copies"
    assert not [path for path in workspace.copies.rglob("*") if path.suffix in (".jpg", ".sha256")]
    assert f"results in s3://{BUCKET}/fetched/results/test; " in said
    assert "Report" not in said
    assert workspace.planned("fetch") == set()
    there = workspace.elsewhere("there")
    assert there.planned("fetch") == set()
    # A machine without a record of the results notices that they were made with other settings.
    there.config = {**SHORT, "dataset": SHORT["dataset"] | {"max_images": 13}}
    there.config["pathvars"] = workspace.config["pathvars"]
    assert {"fetch_annotations", "fetch_images", "build_manifest"} <= there.planned("fetch")
    # Weights travel under a name whose suffix says their format.
    there.config["detector"] = {"name": RTDETR}
    assert "detections/weights.safetensors" in there.run("--dry-run", "detect")


@whole
def test_the_same_bytes_as_without_storage(run: InBucket, undisturbed: dict[str, str]) -> None:
    assert run.hashes() == without_pictures(undisturbed)
    assert f"Report    s3://{BUCKET}/run/results/test/report/index.html" in run.said
    assert not list(run.folder.rglob("*.sha256"))
    assert not (run.folder / "results").exists()


@whole
def test_a_second_run_does_nothing_and_a_deleted_object_is_made_again(run: InBucket) -> None:
    undisturbed = run.hashes()
    assert run.planned() == set()
    machine = run.elsewhere("that has made nothing")
    assert machine.planned() == set()
    # As in a folder, a missing file is made again only if a target asks for it.
    run.server.delete("run/results/test/search/hits.parquet")
    assert machine.planned() == set()
    assert machine.planned("search") - TARGETS == {"search_persons"}
    machine.run("search")
    assert machine.planned() == {"evaluate_galleries", "render_report"}
    machine.run()
    assert run.hashes() == undisturbed


@whole
def test_each_stage_on_another_machine(
    server: S3Server, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    first = InBucket(tmp_path / "machine", SHORT, server, "stages")
    for stage, rules in STAGES.items():
        machine = first.elsewhere(stage)
        assert machine.planned(stage) - TARGETS == rules
        machine.run(stage)
    assert untimed(first.hashes()) == without_pictures(undisturbed)


@whole
def test_each_job_on_another_machine(
    server: S3Server, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """As on a cloud: the code comes from the bucket too, into an empty folder."""
    skip_without_git()
    workspace = JobsElsewhere(tmp_path / "clone", SHORT, server, "jobs")
    said = workspace.run()
    assert workspace.hashes() == without_pictures(undisturbed)
    # The bundled weights are read beside the code; all other jobs ran elsewhere.
    assert len(workspace.said()) == said.count("external jobid") >= 17
    assert not list(workspace.copies.rglob("*.parquet"))


@whole
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_killed_and_started_again(
    undisturbed: dict[str, str], server: S3Server, tmp_path: Path, number: signal.Signals
) -> None:
    workspace = InBucket(tmp_path, SHORT, server, f"killed-{number.name}")
    for within in ("Fetching and checking", "Embedding, shard", "Writing the report"):
        started = workspace.start()
        wait_for(started, within)
        time.sleep(0.5)
        os.killpg(started.pid, number)
        started.communicate(timeout=60)
        # All objects in the bucket are whole.
        there = workspace.hashes()
        assert there == {name: undisturbed[name] for name in there}
    workspace.run()
    assert workspace.hashes() == without_pictures(undisturbed)
    assert not [path for path in workspace.copies.rglob("*") if ".part" in path.name]


@whole
def test_the_server_goes_in_the_middle(
    undisturbed: dict[str, str], server: S3Server, tmp_path: Path
) -> None:
    workspace = InBucket(tmp_path, SHORT, server, "interrupted")
    started = workspace.start()
    wait_for(started, "Embedding, shard")
    server.stop()
    try:
        said, _ = started.communicate(timeout=120)
    finally:
        server.start()
    assert started.returncode != 0
    assert "Failed to store output in storage" in said or "Failed to" in said
    there = workspace.hashes()
    assert there == {name: undisturbed[name] for name in there}
    workspace.run()
    assert workspace.hashes() == without_pictures(undisturbed)


@whole
def test_own_pictures_and_queries(
    server: S3Server, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """Pictures of openpeople as a folder, on this machine and in the bucket."""
    skip_without_git()
    pictures = tmp_path / "people"
    export_people(pictures, 14)
    query = tmp_path / "me.jpg"
    shutil.copyfile(next(pictures.rglob("*.jpg")), query)
    server.put(pictures, "given/people")
    server.client.upload_file(str(query), BUCKET, "given/me.jpg")

    def config(folder: str, image: str) -> dict[str, Any]:
        return demo_config(
            dataset={"source": "folder", "folder": {"path": folder}},
            queries={"images": [image, f"{image}#xywh=percent:20,20,60,60"]},
            report={"timings": False},
            shards=2,
        )

    local = Workspace(tmp_path / "local", config(str(pictures), str(query)))
    local.run()
    stored = InBucket(
        tmp_path / "stored",
        config(f"s3://{BUCKET}/given/people", f"s3://{BUCKET}/given/me.jpg"),
        server,
        "own",
    )
    stored.run()
    # Only these and the settings name the place of the pictures.
    named = {"search/queries.parquet", "search/query_images.parquet"}
    expected = without_settings(without_pictures(results_of(local)))
    found = without_settings(untimed(stored.hashes()))
    assert found.keys() == expected.keys()
    differing = {name for name in found if found[name] != expected[name]}
    assert differing <= named | {name for name in found if name.startswith("report/")}, differing
    assert stored.elsewhere("again").planned() == set()
    # Pictures here and results in the bucket: jobs that do not need the pictures run elsewhere.
    mixed = JobsElsewhere(tmp_path / "mixed", config(str(pictures), str(query)), server, "mixed")
    mixed.run("search")
    elsewhere = "".join(mixed.said())
    assert "Rule: detect_persons" in elsewhere and "Rule: build_index" in elsewhere
    for here in ("fetch_annotations", "fetch_images", "fetch_weights", "embed_query_images"):
        assert f"Rule: {here}" not in elsewhere
    found = without_settings(mixed.hashes())
    assert "search/hits.parquet" in found
    assert found == {name: expected[name] for name in found}
    # Pictures in the bucket, results here.
    here = Workspace(tmp_path / "here", config(f"s3://{BUCKET}/given/people", str(query)))
    here.run("--storage-s3-endpoint-url", server.url)
    found = without_settings(results_of(here))
    found = {name: digest for name, digest in found.items() if not only_in_storage(name)}
    assert {name for name in found if found[name] != expected[name]} <= differing


@whole
def test_own_weights(server: S3Server, tmp_path: Path) -> None:
    skip_without_git()
    detector = "fasterrcnn_mobilenet_v3_large_320_fpn"
    weights = tmp_path / "mine.safetensors"
    address = f"s3://{BUCKET}/given/{weights.name}"

    def upload(seed: int) -> None:
        save_file(random_weights(detector, seed), weights)
        server.client.upload_file(str(weights), BUCKET, f"given/{weights.name}")

    def config(place: str) -> dict[str, Any]:
        return demo_config(
            dataset={"max_images": 4}, detector={"name": detector, "weights": place}, shards=2
        )

    upload(seed=0)
    local = Workspace(tmp_path / "local", config(str(weights)))
    local.run("embed")
    assert pq.read_metadata(local.results / "embeddings/0.parquet").num_rows > 10
    expected = without_pictures(results_of(local))
    stored = JobsElsewhere(tmp_path / "stored", config(address), server, "weights")
    stored.run("embed")
    assert stored.hashes() == expected
    assert "Rule: fetch_weights" in "".join(stored.said())
    here = Workspace(tmp_path / "here", config(address))
    storage = ("--storage-s3-endpoint-url", server.url)
    here.run("embed", *storage)
    found = results_of(here)
    assert {name: found[name] for name in found if not only_in_storage(name)} == expected
    assert here.planned("embed", *storage) == set()
    # Other weights under the same name, which only the bucket shows.
    upload(seed=1)
    for workspace in (stored, here):
        planned = workspace.planned("embed", *storage)
        assert {"fetch_weights", "detect_persons", "embed_persons"} <= planned


@whole
def test_explorer_notebook_and_parity_from_the_bucket(
    server: S3Server, run: InBucket, tmp_path: Path
) -> None:
    config = demo_config(
        dataset={"max_images": 14},
        report={"timings": False, "explorer": True},
        detector={"precision": "bf16"},
        shards=2,
    )
    local = Workspace(tmp_path / "local", config)
    stored = InBucket(tmp_path / "stored", config, server, "more")
    for target in ("all", "notebook", "parity"):
        local.run(target)
        stored.elsewhere(target).run(target)
    there, here = untimed(stored.hashes()), without_pictures(results_of(local))
    assert there.pop(NOTEBOOK) != here.pop(NOTEBOOK)
    assert there == here
    # It names the way to the folder where Snakemake was started, which is longer from a copy.
    way = re.compile(rb"started_in = '[./]+'")
    assert way.sub(b"", stored.objects()[NOTEBOOK]) == way.sub(
        b"", (local.results / NOTEBOOK).read_bytes()
    )


@whole
def test_nobody_found(server: S3Server, tmp_path: Path) -> None:
    """Then some folders are empty, which a bucket cannot have."""
    config = demo_config(
        dataset={"max_images": 2},
        search_set={"min_score": 1.0},
        report={"timings": False, "explorer": True},
        shards=3,
    )
    local = Workspace(tmp_path / "local", config)
    local.run()
    stored = InBucket(tmp_path / "stored", config, server, "nobody")
    stored.run()
    assert untimed(stored.hashes()) == without_pictures(results_of(local))
    assert stored.planned() == set()


def skip_without_git() -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("NOT TESTED WITH JOBS ELSEWHERE: Snakemake sends what git knows, and this is"
                    " no clone, or there is no git")  # fmt: skip


def untimed(hashes: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in hashes.items() if name != "index/timing.json"}


def without_settings(hashes: dict[str, str]) -> dict[str, str]:
    """The hashes without the files that hold the settings, whose names are digests of them."""
    return {name: value for name, value in hashes.items() if not name.startswith("settings/")}


def wait_for(run: subprocess.Popen[str], words: str) -> None:
    assert run.stdout is not None
    for line in run.stdout:
        if words in line:
            return
    raise AssertionError(f"{words!r} was not said")
