"""Build the index over all reduced vectors, tuned to the recall asked for."""

from visualsearch.core.job import job
from visualsearch.index.building import build_index, remove_other_backends
from visualsearch.settings import IndexSettings

with job(snakemake):
    outputs = snakemake.output
    build_index(
        list(snakemake.input.reduced),
        IndexSettings.of(snakemake.params.settings["index"]),
        outputs.index,
        outputs.persons,
        outputs.sidecar,
    )
    remove_other_backends(outputs.index)
