"""Build one part of the index, of its own persons alone."""

from threadpoolctl import threadpool_limits

from visualsearch.core.job import job
from visualsearch.index.building import build_part
from visualsearch.index.parts import read_plan, write_part

with job(snakemake), threadpool_limits(1):
    files, outputs = snakemake.input, snakemake.output
    plan = read_plan(files.plan, files.sample)
    part = build_part(list(files.reduced), plan, int(snakemake.wildcards.part), outputs.index)
    write_part(part, outputs.facts, outputs.nearest)
