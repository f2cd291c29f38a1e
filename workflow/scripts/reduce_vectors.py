"""Reduce the vectors of one shard with the fitted PCA."""

from visualsearch.core.job import job
from visualsearch.data.tables import PERSONS, open_table, write_table
from visualsearch.data.vectors import with_vector
from visualsearch.reduce.reduction import Reduction, reduced_tables

with job(snakemake):
    reduction = Reduction.load(snakemake.input.model)
    with open_table(snakemake.input.embeddings, [*PERSONS.names, "vector"]) as embeddings:
        write_table(
            snakemake.output.reduced,
            reduced_tables(reduction, embeddings),
            with_vector(PERSONS, reduction.n_components),
            {"model": reduction.fingerprint()},
        )
