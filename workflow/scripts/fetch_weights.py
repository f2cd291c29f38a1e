"""Download or find the detector's weights, check them, and describe the detector."""

import shutil

from visualsearch.core.files import replacing, write_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.detect import describe, load_described, load_in_torch
from visualsearch.detect.calibration import Sample
from visualsearch.detect.computing import Computing
from visualsearch.embed.embedding import prepare
from visualsearch.settings import DetectorSettings, EmbeddingSettings

with job(snakemake):
    settings = DetectorSettings.of(snakemake.params.detector)
    described = describe(settings)
    sample = None
    if described["precision"] == "int8":
        sample = Sample(snakemake.input.manifest, snakemake.params.pictures)
        described["calibrated_on"] = sample.describe()
    if copy := snakemake.output.get("weights"):
        with replacing(copy) as temporary:
            shutil.copyfile(
                load_in_torch(settings, Computing.of(described)).weights_file, temporary
            )
    # What the next jobs would convert, each for itself.
    detector = load_described(settings, described, results_on_disk(snakemake), sample)
    prepare(detector, EmbeddingSettings.of(snakemake.params.embedding))
    write_json(snakemake.output.detector, described)
