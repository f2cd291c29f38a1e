"""Have the detector's weights at hand, and write down what the detector is."""

from visualsearch.atomic import write_json
from visualsearch.detectors import load_detector
from visualsearch.detectors.base import DetectorSettings
from visualsearch.job import job

with job(snakemake):
    detector = load_detector(DetectorSettings(**snakemake.params.detector))
    write_json(snakemake.output.detector, detector.details())
