# Requires: reduced/*.parquet. Gives: the index file, index/persons.parquet (row of the index ->
# person) and index/index.json, the sidecar without which the file cannot be read safely.


rule build_index:
    input:
        reduced=expand(rules.reduce_vectors.output.reduced, shard=SHARDS),
    output:
        index=INDEX,
        persons="<results>/index/persons.parquet",
        sidecar="<results>/index/index.json",
    log:
        "<logs>/build_index.log",
    benchmark:
        "<benchmarks>/build_index.tsv"
    conda:
        "../../envs/index.yaml"
    resources:
        mem_mb=4000,
    params:
        index=config["index"],
        library=library("build_index"),
    message:
        "Building the index and measuring its recall"
    script:
        "../scripts/build_index.py"


rule index:
    input:
        rules.build_index.output,
