"""Show the results: a page, the same as Markdown with figures, and a table of all hits."""

from visualsearch.core.job import job, without_code
from visualsearch.report.loading import ResultFiles
from visualsearch.report.writing import write_report
from visualsearch.settings import Settings

with job(snakemake):
    # An optional input that is not there is an empty list.
    files = {name: file or None for name, file in snakemake.input.items()}
    write_report(
        ResultFiles(**files, benchmarks=snakemake.params.benchmarks, logs=snakemake.params.logs),
        Settings.of(without_code(snakemake.params.settings)),
        snakemake.params.pictures,
        **{name: file for name, file in snakemake.output.items() if name != "settings"},
    )
