"""List the source's pictures, and write the part of its annotations that is about them."""

from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.core.job import job
from visualsearch.data.manifest import write_listed, write_skipped
from visualsearch.fetch import load
from visualsearch.settings import DatasetSettings

with job(snakemake):
    # From config, as params leave out connections and retries: these must not rerun the job.
    settings = DatasetSettings.of(snakemake.config["dataset"])
    work_dir = Path(snakemake.output.images).parent / "download"
    wanted = load(settings).list_images(settings, work_dir)
    if not wanted.images:
        raise InputError(
            f"dataset: {settings.source} lists no picture of use"
            f" ({len(wanted.skipped)} left out); check dataset.category and the annotations"
        )
    write_listed(snakemake.output.images, wanted.images)
    write_skipped(snakemake.output.skipped, wanted.skipped)
    if wanted.annotations is not None:
        write_json(snakemake.output.annotations, wanted.annotations, indent=None, ascii_only=True)
