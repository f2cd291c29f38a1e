"""Fit the PCA on embeddings; write its model, and table and figure of explained variance."""

from visualsearch.core.job import job
from visualsearch.core.progress import progress
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import common_metadata, count_rows
from visualsearch.data.vectors import stored_lengths, vectors_of
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import write_explained_variance
from visualsearch.report.charts import draw_explained_variance
from visualsearch.settings import ReductionSettings

with job(snakemake):
    shards = list(snakemake.input.embeddings)
    settings = ReductionSettings.of(snakemake.params.settings["reduction"])
    common_metadata(shards)
    persons = evenly_spaced(count_rows(shards), settings.fit_persons)
    lengths = stored_lengths(shards[0])
    tables = in_person_order(shards, settings.batch_size, list(lengths), persons)
    batches = -(-len(persons) // settings.batch_size)
    reduction = fit_reduction(
        progress(map(vectors_of, tables), "fit PCA", "batches", batches),
        len(persons),
        sum(lengths.values()),
        settings.n_components,
        settings.whiten_power,
    )
    reduction.save(snakemake.output.model)
    write_explained_variance(snakemake.output.table, reduction)
    draw_explained_variance(snakemake.output.figure, reduction)
