# Requires: reduced/*.parquet. Gives: the index file; index/persons.parquet (row of the index ->
# person); index/index.json, the sidecar without which the index file cannot be read safely; and
# index/timing.json, the only result that depends on the clock.


BUILD_INDEX = record("build_index", "index", after=[REDUCE_VECTORS])


rule build_index:
    input:
        records_before(BUILD_INDEX),
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        index=INDEX,
        persons="<results>/index/persons.parquet",
        sidecar="<results>/index/index.json",
        settings=record_file(BUILD_INDEX),
    log:
        "<logs>/build_index.log",
    benchmark:
        "<benchmarks>/build_index.tsv"
    conda:
        "../../envs/index.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=BUILD_INDEX.values,
    message:
        "Building the index, tuned to its target recall"
    script:
        "../scripts/build_index.py"


TIME_INDEX = record("time_index", after=[BUILD_INDEX])


rule time_index:
    input:
        records_before(TIME_INDEX),
        index=INDEX,
        sidecar=rules.build_index.output.sidecar,
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        timing="<results>/index/timing.json",
        settings=record_file(TIME_INDEX),
    log:
        "<logs>/time_index.log",
    benchmark:
        "<benchmarks>/time_index.tsv"
    conda:
        "../../envs/index.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=TIME_INDEX.values,
    message:
        "Timing the index against exact search"
    script:
        "../scripts/time_index.py"


rule index:
    input:
        rules.build_index.output,
        rules.time_index.output,
