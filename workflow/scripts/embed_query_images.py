"""Make queries of the persons in the user's own pictures."""

from visualsearch.core.files import read_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.data.manifest import read_manifest
from visualsearch.data.skipped import write_skipped
from visualsearch.data.tables import write_table
from visualsearch.detect import load_described
from visualsearch.detect.calibration import Sample
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.own_pictures import (
    Persons,
    QueryPicture,
    embed_query_images,
    tell_skipped,
)
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings

with job(snakemake):
    settings = snakemake.params.settings
    reduction = Reduction.load(snakemake.input.model)
    described = read_json(snakemake.input.detector)
    given, paths = settings["queries"]["images"], snakemake.input.pictures
    detector = load_described(
        DetectorSettings.of(snakemake.params.detector),
        described,
        results_on_disk(snakemake),
        Sample(snakemake.input.manifest, snakemake.params.picture_folder),
    )
    table, full_length, skipped = embed_query_images(
        detector,
        [QueryPicture(*each) for each in zip(given, paths, strict=True)],
        reduction,
        EmbeddingSettings.of(settings["embedding"]),
        Persons(
            detector,
            settings["dataset"]["category"],
            SearchSetSettings.of(settings["search_set"]),
            settings["queries"]["boxes"],
        ),
        images=read_manifest(snakemake.input.manifest, ["image_id", "sha256"]),
        max_pixels=settings["dataset"]["max_pixels"],
    )
    tell_skipped(skipped, len(table))
    write_table(snakemake.output.queries, [table], table.schema)
    write_table(snakemake.output.full_length, [full_length], full_length.schema)
    write_skipped(snakemake.output.skipped, skipped)
