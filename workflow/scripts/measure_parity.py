"""Compare the run's precision with fp32 on some of its pictures."""

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.pictures import Pictures
from visualsearch.detect import load_described
from visualsearch.evaluate.parity import measure_parity, parity_lines
from visualsearch.settings import DetectorSettings, EmbeddingSettings

EXACT = {"precision": "fp32", "vector_precision": "fp32"}

with job(snakemake):
    described = read_json(snakemake.input.detector)
    if described["precision"] == "fp32":
        raise InputError(
            "this run computes in fp32 (detections/detector.json), so there is nothing to compare; "
            "set detector.precision to bf16"
        )
    settings = snakemake.params.settings
    results = results_on_disk(snakemake)
    detector = DetectorSettings.of(snakemake.params.detector)
    pictures = list(Pictures(snakemake.input.manifest, snakemake.params.pictures))
    parity = measure_parity(
        load_described(detector, described | EXACT, results),
        load_described(detector, described, results),
        [
            pictures[row]
            for row in evenly_spaced(len(pictures), settings["evaluation"]["parity_images"])
        ],
        settings["dataset"]["category"],
        snakemake.input.annotations or None,
        settings["search_set"]["min_score"],
        EmbeddingSettings.of(settings["embedding"]),
    )
    write_json(snakemake.output.parity, parity | {"precision": described["precision"]})
    print(*parity_lines(parity, described["precision"]), sep="\n")
