"""Compute the AP of the detections with pycocotools, and the precision-recall curve."""

import logging

from visualsearch.core.files import write_json
from visualsearch.core.job import job
from visualsearch.data.tables import read_table
from visualsearch.evaluate.detections import evaluate_detections, write_precision_recall
from visualsearch.report.charts import draw_precision_recall

log = logging.getLogger("evaluate_detections")

with job(snakemake):
    manifest = read_table(snakemake.input.manifest, ["image_id", "width", "height"])
    image_ids, widths, heights = (column.to_pylist() for column in manifest.columns)
    numbers, curve = evaluate_detections(
        snakemake.input.annotations,
        snakemake.input.persons,
        snakemake.params.settings["dataset"]["category"],
        image_ids,
        dict(zip(image_ids, zip(widths, heights, strict=True), strict=True)),
    )
    if note := numbers["AP_note"]:
        log.warning("AP%s: %s", " is not known" if numbers["AP"] is None else "", note)
    write_json(snakemake.output.numbers, numbers)
    write_precision_recall(snakemake.output.table, curve)
    draw_precision_recall(snakemake.output.figure, curve)
