"""Choose the persons to search for, and add the user's own pictures."""

from visualsearch.job import job
from visualsearch.queries import Evidence, select_queries
from visualsearch.tables import read_table, write_table

with job(snakemake.log[0]):
    files = snakemake.input
    evidence = None
    if files.get("embeddings"):
        evidence = Evidence(files.manifest, list(files.embeddings), files.model)
    table = select_queries(
        read_table(files.persons),
        list(files.reduced),
        snakemake.params.queries,
        files.get("query_images"),
        evidence,
    )
    write_table(snakemake.output.queries, [table], table.schema)
