"""Build the index over all reduced vectors, tuned to the recall asked for."""

from visualsearch.index.building import build_index
from visualsearch.job import job

with job(snakemake):
    build_index(
        list(snakemake.input.reduced), snakemake.params.index, **dict(snakemake.output.items())
    )
