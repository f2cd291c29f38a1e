"""Choose the persons to search for, and add the user's own pictures."""

from visualsearch.job import job
from visualsearch.queries import select_queries
from visualsearch.tables import read_table, write_table

with job(snakemake.log[0]):
    table = select_queries(
        read_table(snakemake.input.persons),
        list(snakemake.input.reduced),
        snakemake.params.queries,
        snakemake.input.get("query_images"),
    )
    write_table(snakemake.output.queries, [table], table.schema)
