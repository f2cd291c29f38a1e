"""List the source's pictures, and write the part of its annotations that is about them."""

import logging
from pathlib import Path

from visualsearch.core.files import write_json
from visualsearch.core.job import job
from visualsearch.data.manifest import write_listed
from visualsearch.data.skipped import write_skipped
from visualsearch.fetch import load
from visualsearch.fetch.left_out import check_listed
from visualsearch.settings import DatasetSettings

log = logging.getLogger("fetch_annotations")

with job(snakemake):
    # From config, as params leave out connections and retries: these must not rerun the job.
    settings = DatasetSettings.of(snakemake.config["dataset"])
    work_dir = Path(snakemake.output.images).parent / "download"
    wanted = load(settings).list_images(settings, work_dir)
    # Snakemake deletes the outputs of a failed job, but not its log.
    for entry in wanted.skipped:
        log.info("left out: %s %s: %s", entry.image_id or "", entry.file, entry.reason)
    check_listed(wanted, settings, snakemake.log[0])
    write_listed(snakemake.output.images, wanted.images, wanted.hashes)
    write_skipped(snakemake.output.skipped, wanted.skipped)
    if wanted.annotations is not None:
        write_json(snakemake.output.annotations, wanted.annotations, indent=None, ascii_only=True)
