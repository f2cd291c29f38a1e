"""Bring one shard's pictures to the image root, and check each of them."""

from contextlib import nullcontext
from pathlib import Path

from visualsearch.core.job import CODE, job, results_on_disk
from visualsearch.core.progress import progress
from visualsearch.data.manifest import FetchedImage, read_listed, shard_of, write_manifest
from visualsearch.data.picture_archive import kept_in_archive, write_archive
from visualsearch.data.row_cache import RowCache
from visualsearch.data.skipped import Skipped, write_skipped
from visualsearch.fetch import load, local_root
from visualsearch.fetch.verify import SIZES, keep_sizes, known_sizes
from visualsearch.settings import DatasetSettings

with job(snakemake):
    # From config, as params leave out connections and retries: these must not rerun the job.
    settings = DatasetSettings.of(snakemake.config["dataset"])
    shards = snakemake.params.settings["shards"]
    root, shard = Path(snakemake.params.image_root), int(snakemake.wildcards.shard)
    images = [
        image
        for image in read_listed(snakemake.input.images)
        if shard_of(image.image_id, shards) == shard
    ]
    own_folder = local_root(settings) is not None
    travels = bool(snakemake.output.get("pictures"))
    packed = settings.packed and not travels and not own_folder
    archive = Path(snakemake.output.rows).parents[1] / "pictures" / f"{shard}.zip"
    files = [image.file for image in images]
    code = {CODE: snakemake.params.settings[CODE]}
    cache = RowCache(results_on_disk(snakemake), "fetch", code, SIZES)
    with kept_in_archive(archive, files) if packed else nullcontext(root) as folder:
        results = load(settings).fetch(images, folder, settings, known_sizes(cache))
        done = list(progress(results, f"fetch, shard {shard}", "pictures", len(images)))
    fetched = [result for result in done if isinstance(result, FetchedImage)]
    keep_sizes(cache, fetched)
    if travels:
        write_archive(archive, root, [result.listed.file for result in fetched])
    elif not packed:
        # Of an earlier run with dataset.packed. Later stages would read it.
        archive.unlink(missing_ok=True)
    write_manifest(snakemake.output.rows, fetched, shards)
    write_skipped(
        snakemake.output.skipped, [result for result in done if isinstance(result, Skipped)]
    )
    if travels and not own_folder:
        # Deleted only now, so that a killed fetch goes on where it was.
        for result in fetched:
            (root / result.listed.file).unlink()
