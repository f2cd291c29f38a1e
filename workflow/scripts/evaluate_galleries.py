"""Measure what each query has in common with its hits."""

from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job
from visualsearch.data.manifest import picture_sizes
from visualsearch.data.tables import HITS, PERSONS, QUERIES, read_table
from visualsearch.evaluate.galleries import measure_galleries
from visualsearch.evaluate.person_facts import labels_by_image, person_facts

with job(snakemake):
    files, settings = snakemake.input, snakemake.params.settings
    persons = read_table(files.persons, PERSONS.names)
    category = settings["dataset"]["category"]
    galleries = measure_galleries(
        persons,
        read_table(files.queries, QUERIES.names),
        read_table(files.hits, HITS.names),
        picture_sizes(files.manifest, persons["image_id"].to_numpy()),
        person_facts(read_json(files.annotations), persons, category)
        if files.annotations
        else None,
        labels_by_image(read_table(files.manifest, ["image_id", "labels"])),
        settings["evaluation"]["seed"],
    )
    write_json(snakemake.output.galleries, {"galleries": galleries})
