"""Find the neighbours of each query, and rerank them if that is asked for."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.tables import HITS, PERSONS, QUERIES, read_table, write_table
from visualsearch.index.opening import open_index
from visualsearch.search.full_length import FullLength
from visualsearch.search.hits import search_all
from visualsearch.settings import SearchSettings

# The last bits of a sum depend on the threads, and the order of hits may depend on them.
with job(snakemake), threadpool_limits(1):
    files = snakemake.input
    hits = search_all(
        open_index(files.index, read_json(files.sidecar)),
        read_table(files.persons, PERSONS.names),
        read_table(files.queries, [*QUERIES.names, "vector"]),
        SearchSettings.of(snakemake.params.settings["search"]),
        FullLength.load(list(files.embeddings), files.model, files.own_pictures or None),
    )
    write_table(snakemake.output.hits, [hits], HITS)
