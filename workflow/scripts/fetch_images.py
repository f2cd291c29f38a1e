"""Bring one shard's pictures to the image root, and check each of them."""

from pathlib import Path

from visualsearch.job import job
from visualsearch.manifest import (
    FetchedImage,
    Skipped,
    read_listed,
    shard_of,
    write_manifest,
    write_skipped,
)
from visualsearch.progress import progress
from visualsearch.sources import load

with job(snakemake):
    # The parameters hold only what should rerun this job; connections and retries are not in them.
    settings, shards = snakemake.config["dataset"], snakemake.params.shards
    shard = int(snakemake.wildcards.shard)
    images = [
        image
        for image in read_listed(snakemake.input.images)
        if shard_of(image.image_id, shards) == shard
    ]
    results = load(settings).fetch(images, Path(snakemake.params.image_root), settings)
    done = list(progress(results, f"fetch, shard {shard}", "pictures", len(images)))
    fetched = [result for result in done if isinstance(result, FetchedImage)]
    write_manifest(snakemake.output.rows, fetched, shards)
    write_skipped(
        snakemake.output.skipped, [result for result in done if isinstance(result, Skipped)]
    )
