"""Embed distorted crops: moved boxes, in the pictures and in their mirror images."""

from collections.abc import Iterator

import pyarrow as pa

from visualsearch.core.files import read_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.person_order import rows_of_shards
from visualsearch.data.pictures import Pictures
from visualsearch.data.row_cache import LeftOut, RowCache
from visualsearch.data.tables import write_table
from visualsearch.detect import DETECTORS, load_backbone
from visualsearch.embed.distortion import DISTORTED, with_both_ways
from visualsearch.embed.embedding import embed_items_both_ways
from visualsearch.embed.persons import (
    PictureBoxes,
    distorted_persons,
    embedding_metadata,
    vector_lengths,
    with_vectors,
)
from visualsearch.settings import DetectorSettings, EmbeddingSettings

with job(snakemake):
    params, evaluation = snakemake.params, snakemake.params.settings["evaluation"]
    settings = EmbeddingSettings.of(params.settings["embedding"])
    described = read_json(snakemake.input.detector)
    persons = rows_of_shards(snakemake.input.embeddings, DISTORTED.names)
    sample = persons.take(evenly_spaced(len(persons), evaluation["persons"]))
    pictures = Pictures(snakemake.input.manifest, params.pictures)
    items = distorted_persons(pictures, sample, evaluation["seed"])
    lengths = vector_lengths(DETECTORS[described["name"]].featurizer.lengths, settings)
    schema = with_both_ways(DISTORTED, lengths)
    results = results_on_disk(snakemake)
    made_by = {"settings": params.settings, "detector": described}
    vectors = with_both_ways(pa.schema([]), lengths)
    cache = RowCache(results, "embed_distorted", made_by, vectors)

    def embed(new: list[PictureBoxes]) -> Iterator[pa.Table | LeftOut]:
        backbone = load_backbone(DetectorSettings.of(params.detector), described, results)
        return embed_items_both_ways(backbone, new, settings, "embed distorted")

    embedded = cache.complete([(item.key(), item) for item in items], embed)
    metadata = embedding_metadata(described, settings)
    write_table(snakemake.output.distorted, with_vectors(embedded, schema), schema, metadata)
