"""Find the neighbours of each query."""

from visualsearch.atomic import read_json
from visualsearch.index import open_index
from visualsearch.job import job
from visualsearch.search import HITS, search_all
from visualsearch.tables import read_table, write_table

with job(snakemake.log[0]):
    sidecar = read_json(snakemake.input.sidecar)
    hits = search_all(
        open_index(snakemake.input.index, sidecar),
        read_table(snakemake.input.persons),
        read_table(snakemake.input.queries),
        snakemake.params.search["neighbours"],
        snakemake.params.search["same_image"],
    )
    write_table(snakemake.output.hits, [hits], HITS)
