"""Give every person a place on a map, so that look-alikes lie together."""

from visualsearch.explorer.projection import write_map
from visualsearch.job import job

with job(snakemake):
    write_map(snakemake.output.map, list(snakemake.input.reduced), snakemake.params.projection)
