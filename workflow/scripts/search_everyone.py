"""Find the neighbours of every person of a shard, for the explorer."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.tables import read_table, write_table
from visualsearch.index.opening import open_index
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.everyone import EVERYONE, EXACT_UP_TO, exact_index, search_everyone
from visualsearch.search.full_length import FullLength
from visualsearch.search.near_duplicates import NearDuplicates
from visualsearch.settings import SearchSettings

# The last bits of a sum depend on the threads, and the order of hits may depend on them.
with job(snakemake), threadpool_limits(1):
    files = snakemake.input
    persons = read_table(files.persons, ["person_id", "image_id"])
    if len(persons) <= EXACT_UP_TO:
        index = exact_index(list(files.all_reduced))
    else:
        index = open_index(files.index, read_json(files.sidecar))
    settings = SearchSettings.of(snakemake.params.settings["search"])
    near_duplicates = NearDuplicates(
        FullLength.load(list(files.embeddings), files.model),
        Reduction.load(files.model),
        index,
        settings.near_duplicate,
    )
    neighbours = search_everyone(
        index,
        persons,
        files.reduced,
        settings,
        snakemake.params.settings["explorer"]["neighbours"],
        near_duplicates,
    )
    write_table(snakemake.output.neighbours, neighbours, EVERYONE)
