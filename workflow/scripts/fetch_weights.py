"""Download or find the detector's weights, check them, and describe the detector."""

import shutil

from visualsearch.core.files import replacing, write_json
from visualsearch.core.job import job
from visualsearch.detect import load_detector
from visualsearch.settings import DetectorSettings

with job(snakemake):
    detector = load_detector(DetectorSettings.of(snakemake.params.detector))
    if copy := snakemake.output.get("weights"):
        with replacing(copy) as temporary:
            shutil.copyfile(detector.weights_file, temporary)
    write_json(snakemake.output.detector, detector.details())
