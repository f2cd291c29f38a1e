"""Detect one category in the pictures of one shard."""

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import DETECTIONS, write_table
from visualsearch.detect import load_described
from visualsearch.detect.run import detect_images
from visualsearch.settings import DetectorSettings

with job(snakemake):
    shard = int(snakemake.wildcards.shard)
    pictures = Pictures(snakemake.input.manifest, snakemake.params.pictures, shard=shard)
    described = read_json(snakemake.input.detector)
    detector = load_described(DetectorSettings.of(snakemake.params.detector), described)
    tables = detect_images(detector, pictures, snakemake.params.category, f"detect {shard}")
    write_table(snakemake.output.detections, tables, DETECTIONS)
