# Requires: the pictures and detections/shards/*.parquet. Gives: embeddings/*.parquet, one row a
# person of the search set, with the vector that the detector's own backbone gives its box; and,
# to measure the search with, evaluation/distorted.parquet: some of them moved and mirrored.


rule embed_persons:
    input:
        packed("{shard}"),
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
        search_set=config["search_set"],
        embedding=config["embedding"],
        pictures=own_pictures(),
        library=library("embed_persons"),
    message:
        "Embedding, shard {wildcards.shard}"
    script:
        "../scripts/embed_persons.py"


rule embed_distorted:
    input:
        packed(),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        embeddings=of_shards(rules.embed_persons.output.embeddings),
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
        embedding=config["embedding"],
        persons=lookup(within=config, dpath="evaluation/persons"),
        seed=lookup(within=config, dpath="evaluation/seed"),
        pictures=own_pictures(),
        library=library("embed_distorted"),
    message:
        "Embedding distorted crops"
    script:
        "../scripts/embed_distorted.py"


rule embed:
    input:
        of_shards(rules.embed_persons.output.embeddings),
