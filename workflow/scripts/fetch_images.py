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
from visualsearch.fetch import SOURCES, load

with job(snakemake):
    # The parameters hold only what should rerun this job; connections and retries are not in them.
    settings, shards = snakemake.config["dataset"], snakemake.params.shards
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
    if archive and not SOURCES[settings["source"]].local_root(settings):
        # Kept until here, so that a fetch that is killed goes on where it was.
        for result in fetched:
            (root / result.listed.file).unlink()
