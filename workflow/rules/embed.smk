# Requires: the pictures and detections/shards/*.parquet. Gives: embeddings/*.parquet, one row for
# each person of the search set, with the vector that the detector's backbone computes for its box;
# and evaluation/distorted.parquet, moved and mirrored boxes, which measure the search.


rule embed_persons:
    input:
        picture_archives("{shard}"),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        detections=rules.detect_persons.output.detections,
    output:
        embeddings="<results>/embeddings/{shard}.parquet",
    log:
        "<logs>/embed_persons/{shard}.log",
    benchmark:
        "<benchmarks>/embed_persons/{shard}.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(4000),
        gpu=GPUS,
    params:
        detector=DETECTOR,
        search_set=lookup(within=config, dpath="search_set"),
        embedding=lookup(within=config, dpath="embedding"),
        pictures=picture_folder(),
        library=library("embed_persons"),
    message:
        "Embedding, shard {wildcards.shard}"
    script:
        "../scripts/embed_persons.py"


rule embed_distorted:
    input:
        picture_archives(),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        embeddings=all_shards(rules.embed_persons.output.embeddings),
    output:
        distorted="<results>/evaluation/distorted.parquet",
    log:
        "<logs>/embed_distorted.log",
    benchmark:
        "<benchmarks>/embed_distorted.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(4000),
        gpu=GPUS,
    params:
        detector=DETECTOR,
        embedding=lookup(within=config, dpath="embedding"),
        persons=lookup(within=config, dpath="evaluation/persons"),
        seed=lookup(within=config, dpath="evaluation/seed"),
        pictures=picture_folder(),
        library=library("embed_distorted"),
    message:
        "Embedding distorted crops"
    script:
        "../scripts/embed_distorted.py"


rule embed:
    input:
        all_shards(rules.embed_persons.output.embeddings),
