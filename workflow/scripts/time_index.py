"""Time queries of the index and of exact search side by side."""

from visualsearch.core.job import job
from visualsearch.index.timing import time_index

with job(snakemake):
    time_index(
        list(snakemake.input.reduced),
        snakemake.input.index,
        snakemake.input.sidecar,
        snakemake.output.timing,
    )
