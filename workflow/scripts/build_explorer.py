"""Build the explorer: thumbnails, data and the page that shows them."""

from visualsearch.core.job import job, without_code
from visualsearch.explorer.own_pictures import OwnPictures
from visualsearch.explorer.writing import ExplorerFiles, write_explorer
from visualsearch.settings import Settings

with job(snakemake):
    files = snakemake.input
    networks = files.get("networks")
    own_pictures = OwnPictures(networks, files.describe, files.get("find")) if networks else None
    write_explorer(
        ExplorerFiles(
            files.manifest,
            files.persons,
            files.queries,
            files.hits,
            files.map,
            files.everyone,
            files.reduced,
            own_pictures,
        ),
        Settings.of(without_code(snakemake.params.settings)),
        snakemake.params.pictures,
        snakemake.output.explorer,
        snakemake.threads,
    )
