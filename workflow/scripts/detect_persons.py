"""Detect one category in the pictures of one shard."""

from collections.abc import Iterator

import pyarrow as pa

from visualsearch.core.files import read_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.row_cache import LeftOut, RowCache
from visualsearch.data.skipped import Skipped, write_skipped
from visualsearch.data.tables import DETECTIONS, write_table
from visualsearch.detect import load_described
from visualsearch.detect.calibration import Sample
from visualsearch.detect.run import DETECTIONS_OF_A_PICTURE, detect_images, with_image_id
from visualsearch.settings import DetectorSettings

with job(snakemake):
    params, shard = snakemake.params, int(snakemake.wildcards.shard)
    described = read_json(snakemake.input.detector)
    category = params.settings["dataset"]["category"]
    pictures = Pictures(snakemake.input.manifest, params.pictures, shard=shard)
    sample = Sample(snakemake.input.manifest, params.pictures)
    results = results_on_disk(snakemake)
    made_by = {"settings": params.settings, "detector": described}
    cache = RowCache(results, "detect", made_by, DETECTIONS_OF_A_PICTURE)
    skipped: list[Skipped] = []

    def detect(new: list[Picture]) -> Iterator[pa.Table | LeftOut]:
        settings = DetectorSettings.of(params.detector)
        detector = load_described(settings, described, results, sample)
        return detect_images(detector, new, category, f"detect {shard}")

    def tables() -> Iterator[pa.Table]:
        keyed = [(picture.sha256, picture) for picture in pictures]
        for picture, rows in cache.complete(keyed, detect):
            if isinstance(rows, LeftOut):
                skipped.append(Skipped(picture.image_id, picture.file, rows.reason))
            else:
                yield with_image_id(rows, picture.image_id)

    write_table(snakemake.output.detections, tables(), DETECTIONS)
    write_skipped(snakemake.output.skipped, skipped)
