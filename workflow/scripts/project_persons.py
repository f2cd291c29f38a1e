"""Project all persons to two dimensions, for the map of the explorer."""

from visualsearch.core.job import job
from visualsearch.search.map import write_map

with job(snakemake):
    projection = snakemake.params.settings["explorer"]["projection"]
    write_map(snakemake.output.map, list(snakemake.input.reduced), projection)
