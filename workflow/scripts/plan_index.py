"""Decide what the parts of an index share: who is in which, and how each is built."""

from threadpoolctl import threadpool_limits

from visualsearch.index.building import make_plan
from visualsearch.index.parts import write_plan
from visualsearch.job import job

with job(snakemake), threadpool_limits(1):
    settings = snakemake.params.index
    plan = make_plan(list(snakemake.input.reduced), settings, settings["shards"])
    write_plan(plan, snakemake.output.plan, snakemake.output.sample)
