"""Show the results: a page, the same as Markdown with figures, and a table of all hits."""

from visualsearch.job import job
from visualsearch.report.model import ResultFiles
from visualsearch.report.writing import write_report

with job(snakemake.log[0]):
    files = dict(snakemake.input.items())
    # Read by way of search/queries.parquet; an input so that a changed one is shown anew.
    files.pop("query_pictures", None)
    write_report(
        ResultFiles(**files),
        snakemake.params.config,
        snakemake.params.pictures,
        **dict(snakemake.output.items()),
    )
