"""Embed the persons of the search set in one shard."""

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import DETECTIONS, PERSONS, read_table, with_full_length, write_table
from visualsearch.detect import load_described
from visualsearch.embed.embedding import embed_images, embedding_length, embedding_metadata
from visualsearch.settings import DetectorSettings

with job(snakemake):
    shard = int(snakemake.wildcards.shard)
    pictures = Pictures(snakemake.input.manifest, snakemake.params.pictures, shard=shard)
    described = read_json(snakemake.input.detector)
    detector = load_described(DetectorSettings(**snakemake.params.detector), described)
    tables = embed_images(
        detector,
        pictures,
        read_table(snakemake.input.detections, DETECTIONS.names),
        snakemake.params.search_set,
        snakemake.params.embedding,
        f"embed {shard}",
    )
    write_table(
        snakemake.output.embeddings,
        tables,
        with_full_length(PERSONS, embedding_length(detector, snakemake.params.embedding)),
        embedding_metadata(described, snakemake.params.embedding),
    )
