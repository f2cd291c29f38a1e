"""Embed the persons of the search set in the pictures of one shard."""

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import DETECTIONS, PERSONS, read_table, with_full_length, write_table
from visualsearch.detect import load_described
from visualsearch.embed.embedding import embed_images, embedding_metadata
from visualsearch.embed.pooling import embedding_length
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings

with job(snakemake):
    settings = EmbeddingSettings.of(snakemake.params.embedding)
    shard = int(snakemake.wildcards.shard)
    pictures = Pictures(snakemake.input.manifest, snakemake.params.pictures, shard=shard)
    described = read_json(snakemake.input.detector)
    detector = load_described(DetectorSettings.of(snakemake.params.detector), described)
    tables = embed_images(
        detector,
        pictures,
        read_table(snakemake.input.detections, DETECTIONS.names),
        SearchSetSettings.of(snakemake.params.search_set),
        settings,
        f"embed {shard}",
    )
    write_table(
        snakemake.output.embeddings,
        tables,
        with_full_length(PERSONS, embedding_length(detector, settings)),
        embedding_metadata(described, settings),
    )
