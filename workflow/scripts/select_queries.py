"""Choose the persons to search for, and add the user's own pictures."""

from threadpoolctl import threadpool_limits

from visualsearch.core.job import job
from visualsearch.data.tables import PERSONS, read_table, write_table
from visualsearch.search.queries import Evidence, select_queries
from visualsearch.settings import QueriesSettings

# The last bits of a sum depend on the threads, and the choice may depend on them.
with job(snakemake), threadpool_limits(1):
    files = snakemake.input
    evidence = None
    if files.embeddings:
        evidence = Evidence(files.manifest, list(files.embeddings), files.model)
    table = select_queries(
        read_table(files.persons, PERSONS.names),
        list(files.reduced),
        QueriesSettings.of(snakemake.params.settings["queries"]),
        files.query_images or None,
        evidence,
    )
    write_table(snakemake.output.queries, [table], table.schema)
