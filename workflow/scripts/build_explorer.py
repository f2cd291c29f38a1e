"""Build the explorer: thumbnails, data and the page that shows them."""

from visualsearch.core.job import job, without_code
from visualsearch.explorer.writing import ExplorerFiles, write_explorer
from visualsearch.settings import Settings

with job(snakemake):
    files = snakemake.input
    write_explorer(
        ExplorerFiles(
            files.manifest,
            files.persons,
            files.queries,
            files.hits,
            files.map,
            files.everyone,
            files.reduced,
        ),
        Settings.of(without_code(snakemake.params.settings)),
        snakemake.params.pictures,
        snakemake.output.explorer,
        snakemake.threads,
    )
