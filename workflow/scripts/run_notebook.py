"""Execute the notebook that explains the results, on the results of this run."""

import os
from pathlib import Path

from visualsearch.core.job import job
from visualsearch.report.notebook import run_notebook

with job(snakemake):
    output = Path(snakemake.output.notebook).resolve()
    run_notebook(
        snakemake.input.text,
        output,
        {
            # Relative to the notebook, so that it can run again there and names no machine.
            "results": os.path.relpath(snakemake.params.results, output.parent),
            "pictures": snakemake.params.pictures,
            "started_in": os.path.relpath(Path.cwd(), output.parent),
            "search": snakemake.params.settings["search"],
        },
    )
