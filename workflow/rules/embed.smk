# Requires: the pictures and detections/shards/*.parquet. Gives: embeddings/*.parquet, one row for
# each person of the search set, with the vector that the detector's backbone computes for its box;
# and evaluation/distorted.parquet, moved and mirrored boxes, which measure the search.


EMBED_PERSONS = record(
    "embed_persons",
    "detector",
    "search_set",
    "embedding",
    "dataset.category",
    after=[DETECT_PERSONS],
    sharded=True,
)


rule embed_persons:
    input:
        records_before(EMBED_PERSONS),
        picture_archives("{shard}"),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        detections=rules.detect_persons.output.detections,
    output:
        embeddings="<results>/embeddings/{shard}.parquet",
        settings=record_file(EMBED_PERSONS),
    log:
        "<logs>/embed_persons/{shard}.log",
    benchmark:
        "<benchmarks>/embed_persons/{shard}.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(NETWORK_MB),
        gpu=GPUS,
    params:
        settings=EMBED_PERSONS.values,
        pictures=picture_folder(),
        detector=DETECTOR,
    message:
        "Embedding, shard {wildcards.shard}"
    script:
        "../scripts/embed_persons.py"


EMBED_DISTORTED = record(
    "embed_distorted",
    "detector",
    "embedding",
    "evaluation.persons",
    "evaluation.seed",
    after=[EMBED_PERSONS],
)


rule embed_distorted:
    input:
        records_before(EMBED_DISTORTED),
        picture_archives(),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        embeddings=all_shards(rules.embed_persons.output.embeddings),
    output:
        distorted="<results>/evaluation/distorted.parquet",
        settings=record_file(EMBED_DISTORTED),
    log:
        "<logs>/embed_distorted.log",
    benchmark:
        "<benchmarks>/embed_distorted.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(NETWORK_MB),
        gpu=GPUS,
    params:
        settings=EMBED_DISTORTED.values,
        pictures=picture_folder(),
        detector=DETECTOR,
    message:
        "Embedding distorted crops"
    script:
        "../scripts/embed_distorted.py"


rule embed:
    input:
        all_shards(rules.embed_persons.output.embeddings),
        expand(record_file(EMBED_PERSONS), shard=SHARDS),
