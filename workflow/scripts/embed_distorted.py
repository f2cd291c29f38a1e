"""Embed distorted crops: moved boxes, in the pictures and in their mirror images."""

from visualsearch.core.files import read_json
from visualsearch.core.job import job
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.person_order import rows_of_shards
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import write_table
from visualsearch.detect import load_described
from visualsearch.embed.distortion import DISTORTED, with_two_vectors
from visualsearch.embed.embedding import embed_distorted, embedding_metadata
from visualsearch.embed.pooling import embedding_length
from visualsearch.settings import DetectorSettings, EmbeddingSettings

with job(snakemake):
    persons = rows_of_shards(snakemake.input.embeddings, DISTORTED.names)
    settings = EmbeddingSettings.of(snakemake.params.embedding)
    described = read_json(snakemake.input.detector)
    detector = load_described(DetectorSettings.of(snakemake.params.detector), described)
    tables = embed_distorted(
        detector,
        Pictures(snakemake.input.manifest, snakemake.params.pictures),
        persons.take(evenly_spaced(len(persons), snakemake.params.persons)),
        settings,
        snakemake.params.seed,
    )
    write_table(
        snakemake.output.distorted,
        tables,
        with_two_vectors(embedding_length(detector, settings)),
        embedding_metadata(described, settings),
    )
