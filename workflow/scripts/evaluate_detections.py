"""Compute the AP of the detections with pycocotools, and the precision-recall curve."""

from visualsearch.core.files import write_json
from visualsearch.core.job import job
from visualsearch.data.tables import read_table
from visualsearch.evaluate.detections import evaluate_detections, write_precision_recall
from visualsearch.report.charts import draw_precision_recall

with job(snakemake):
    image_ids = read_table(snakemake.input.manifest, ["image_id"])["image_id"].to_pylist()
    numbers, curve = evaluate_detections(
        snakemake.input.annotations,
        snakemake.input.persons,
        snakemake.params.settings["dataset"]["category"],
        image_ids,
    )
    write_json(snakemake.output.numbers, numbers)
    write_precision_recall(snakemake.output.table, curve)
    draw_precision_recall(snakemake.output.figure, curve)
