"""Find the neighbours of each query, and take a second look at them where that is asked."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.tables import HITS, PERSONS, QUERIES, read_table, write_table
from visualsearch.index.opening import open_index
from visualsearch.search.hits import search_all
from visualsearch.search.rerank import second_look_of

# A sum's last bits depend on the threads, and a choice may hang on them.
with job(snakemake), threadpool_limits(1):
    files, search = snakemake.input, snakemake.params.search
    second_look = None
    if search["rerank"]:
        second_look = second_look_of(
            search["rerank"], list(files.embeddings), files.model, files.own_pictures or None
        )
    hits = search_all(
        open_index(files.index, read_json(files.sidecar)),
        read_table(files.persons, PERSONS.names),
        read_table(files.queries, [*QUERIES.names, "vector"]),
        search["neighbours"],
        search["same_image"],
        search["near_duplicate"],
        search["exclude_near_duplicates"],
        second_look,
    )
    write_table(snakemake.output.hits, [hits], HITS)
