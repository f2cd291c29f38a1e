"""Build the index over all reduced vectors, tuned to the recall asked for, or finish its parts."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from visualsearch.core.job import job
from visualsearch.index.building import build_index, finish_index
from visualsearch.index.parts import read_part, read_plan, remove_others

with job(snakemake), threadpool_limits(1):
    files, outputs, settings = snakemake.input, snakemake.output, snakemake.params.index
    reduced, written = list(files.reduced), (outputs.persons, outputs.sidecar)
    if settings["shards"] == 1:
        build_index(reduced, settings, outputs.index, *written)
    else:
        plan = read_plan(files.plan, files.sample)
        parts = [read_part(plan, *pair) for pair in zip(files.facts, files.nearest, strict=True)]
        finish_index(
            reduced, settings, plan, parts, files.index, *written, threads=snakemake.threads
        )
    remove_others(Path(outputs.sidecar).parent, settings)
