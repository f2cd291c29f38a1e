"""Write the networks with which the explorer's page searches for its reader's own pictures."""

from visualsearch.core.files import read_json, replacing, write_json
from visualsearch.core.job import job
from visualsearch.export.onnx_networks import describing_network, facts_of, finding_network
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings

with job(snakemake):
    settings = snakemake.params.settings
    embedding = EmbeddingSettings.of(settings["embedding"])
    networks = {
        snakemake.output.describe: describing_network(
            DetectorSettings.of(snakemake.params.detector),
            embedding,
            Reduction.load(snakemake.input.model),
        )
    }
    find = snakemake.output.get("find")
    if find:
        networks[find] = finding_network()
    for path, network in networks.items():
        with replacing(path) as temporary:
            temporary.write_bytes(network)
    mean = read_json(snakemake.input.detector)["normalise_mean"]
    search_set = SearchSetSettings.of(settings["search_set"])
    write_json(snakemake.output.facts, facts_of(embedding, search_set, mean, bool(find)))
