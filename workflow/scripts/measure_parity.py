"""Compare the run's precision with fp32 on some of its pictures, and int8 with bf16 too."""

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.pictures import Pictures
from visualsearch.detect import load_described
from visualsearch.detect.base import Detector
from visualsearch.detect.calibration import Sample
from visualsearch.evaluate.parity import measure_parity, parity_lines
from visualsearch.settings import DetectorSettings, EmbeddingSettings

with job(snakemake):
    described = read_json(snakemake.input.detector)
    if described["precision"] == "fp32":
        raise InputError(
            "this run computes in fp32 (detections/detector.json), so there is nothing to compare; "
            "set detector.precision to bf16"
        )
    settings = snakemake.params.settings
    results = results_on_disk(snakemake)
    manifest, folder = snakemake.input.manifest, snakemake.params.pictures

    def load(precision: str) -> Detector:
        vectors = described["vector_precision"] if precision == "int8" else precision
        return load_described(
            DetectorSettings.of(snakemake.params.detector),
            described | {"precision": precision, "vector_precision": vectors},
            results,
            Sample(manifest, folder),
        )

    # Vectors of a run in int8 are in bf16 where the machine has it.
    precisions = {described["vector_precision"], described["precision"]} - {"fp32"}
    pictures = list(Pictures(manifest, folder))
    parity = measure_parity(
        load("fp32"),
        {precision: load(precision) for precision in sorted(precisions)},
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
    print(*parity_lines(parity), sep="\n")
