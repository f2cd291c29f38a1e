# Requires: the pictures and detections/shards/*.parquet. Gives: embeddings/*.parquet, one row a
# person of the search set, with the vector that the detector's own backbone gives its crop.


rule embed_persons:
    input:
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
        mem_mb=4000,
        gpu=GPUS,
    params:
        detector=config["detector"],
        search_set=config["search_set"],
        embedding=config["embedding"],
        pictures=own_pictures(),
        library=library("embed_persons"),
    message:
        "Embedding, shard {wildcards.shard}"
    script:
        "../scripts/embed_persons.py"


rule embed:
    input:
        expand(rules.embed_persons.output.embeddings, shard=SHARDS),
