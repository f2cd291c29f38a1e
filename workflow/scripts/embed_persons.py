"""Embed the persons of the search set in the pictures of one shard."""

from collections.abc import Iterator

import pyarrow as pa

from visualsearch.core.files import read_json
from visualsearch.core.job import job, results_on_disk
from visualsearch.data.pictures import Pictures
from visualsearch.data.row_cache import LeftOut, RowCache
from visualsearch.data.tables import DETECTIONS, PERSONS, read_table, write_table
from visualsearch.data.vectors import with_full_length
from visualsearch.detect import DETECTORS, load_backbone
from visualsearch.embed.embedding import embed_items
from visualsearch.embed.persons import (
    PictureBoxes,
    embedding_metadata,
    persons_of,
    vector_lengths,
    with_vectors,
)
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings

with job(snakemake):
    params, shard = snakemake.params, int(snakemake.wildcards.shard)
    settings = EmbeddingSettings.of(params.settings["embedding"])
    described = read_json(snakemake.input.detector)
    persons = persons_of(
        Pictures(snakemake.input.manifest, params.pictures, shard=shard),
        read_table(snakemake.input.detections, DETECTIONS.names),
        SearchSetSettings.of(params.settings["search_set"]),
    )
    lengths = vector_lengths(DETECTORS[described["name"]].featurizer.lengths, settings)
    results = results_on_disk(snakemake)
    made_by = {"settings": params.settings, "detector": described}
    vectors = with_full_length(pa.schema([]), lengths)
    cache = RowCache(results, "embed", made_by, vectors)

    def embed(new: list[PictureBoxes]) -> Iterator[pa.Table | LeftOut]:
        backbone = load_backbone(DetectorSettings.of(params.detector), described, results)
        return embed_items(backbone, new, settings, f"embed {shard}")

    schema = with_full_length(PERSONS, lengths)
    embedded = cache.complete([(item.key(), item) for item in persons], embed)
    metadata = embedding_metadata(described, settings)
    write_table(snakemake.output.embeddings, with_vectors(embedded, schema), schema, metadata)
