"""Measure what each query has in common with its hits, and search by the last map alone."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job
from visualsearch.data.manifest import picture_sizes
from visualsearch.data.tables import HITS, PERSONS, QUERIES, read_table, write_table
from visualsearch.evaluate.galleries import measure_galleries
from visualsearch.evaluate.last_map import hits_by_last_map
from visualsearch.evaluate.person_facts import labels_by_image, person_facts
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import SearchSettings

# The last bits of a sum depend on the threads, and the order of hits may depend on them.
with job(snakemake), threadpool_limits(1):
    files, settings = snakemake.input, snakemake.params.settings
    persons = read_table(files.persons, PERSONS.names)
    queries = read_table(files.queries, QUERIES.names)
    category = settings["dataset"]["category"]
    galleries = measure_galleries(
        persons,
        queries,
        read_table(files.hits, HITS.names),
        picture_sizes(files.manifest, persons["image_id"].to_numpy()),
        person_facts(read_json(files.annotations), persons, category)
        if files.annotations
        else None,
        labels_by_image(read_table(files.manifest, ["image_id", "labels"])),
        settings["evaluation"]["seed"],
        settings["search"]["hits_per_image"],
    )
    write_json(snakemake.output.galleries, {"galleries": galleries})
    others = hits_by_last_map(
        list(files.embeddings),
        persons,
        queries,
        Reduction.load(files.model).mean,
        SearchSettings.of(settings["search"]),
    )
    write_table(snakemake.output.by_last_map, [others], HITS)
