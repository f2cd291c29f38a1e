"""Bring one shard's pictures to the image root, and check each of them."""

from pathlib import Path

from visualsearch.core.job import job
from visualsearch.core.progress import progress
from visualsearch.data.manifest import (
    FetchedImage,
    Skipped,
    read_listed,
    shard_of,
    write_manifest,
    write_skipped,
)
from visualsearch.data.picture_archive import write_archive
from visualsearch.fetch import load, local_root
from visualsearch.settings import DatasetSettings

with job(snakemake):
    # From config, as params leave out connections and retries: these must not rerun the job.
    settings = DatasetSettings.of(snakemake.config["dataset"])
    shards = snakemake.params.shards
    root, shard = Path(snakemake.params.image_root), int(snakemake.wildcards.shard)
    images = [
        image
        for image in read_listed(snakemake.input.images)
        if shard_of(image.image_id, shards) == shard
    ]
    results = load(settings).fetch(images, root, settings)
    done = list(progress(results, f"fetch, shard {shard}", "pictures", len(images)))
    fetched = [result for result in done if isinstance(result, FetchedImage)]
    if archive := snakemake.output.get("pictures"):
        write_archive(archive, root, [result.listed.file for result in fetched])
    write_manifest(snakemake.output.rows, fetched, shards)
    write_skipped(
        snakemake.output.skipped, [result for result in done if isinstance(result, Skipped)]
    )
    if archive and not local_root(settings):
        # Deleted only now, so that a killed fetch goes on where it was.
        for result in fetched:
            (root / result.listed.file).unlink()
