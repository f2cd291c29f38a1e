"""Give every person a place on a map, so that look-alikes lie together."""

from visualsearch.core.job import job
from visualsearch.reduce.map import write_map

with job(snakemake):
    write_map(snakemake.output.map, list(snakemake.input.reduced), snakemake.params.projection)
