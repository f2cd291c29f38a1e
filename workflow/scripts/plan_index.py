"""Decide what the parts of an index share: who is in which, and how each is built."""

from threadpoolctl import threadpool_limits

from visualsearch.core.job import job
from visualsearch.index.building import make_plan
from visualsearch.index.parts import write_plan

with job(snakemake), threadpool_limits(1):
    settings = snakemake.params.index
    plan = make_plan(list(snakemake.input.reduced), settings, settings["shards"])
    write_plan(plan, snakemake.output.plan, snakemake.output.sample)
