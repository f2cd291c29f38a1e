# Requires: reduced/*.parquet. Gives: the index file, or one a part in index/parts/; index/persons.parquet
# (row of the index -> person); index/index.json, the sidecar without which no file can be read
# safely; and index/timing.json, the one result that depends on the clock. The first two rules are
# for an index of several parts (index.shards), each of which may be built on another machine.

PART = f"<results>/index/parts/{{part}}-of-{len(INDEX)}"


rule plan_index:
    input:
        reduced=of_shards(rules.reduce_vectors.output.reduced),
    output:
        plan="<results>/index/parts/plan.json",
        sample="<results>/index/parts/sample.parquet",
    log:
        "<logs>/plan_index.log",
    benchmark:
        "<benchmarks>/plan_index.tsv"
    conda:
        "../../envs/index.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        index=config["index"],
        library=library("plan_index"),
    message:
        "Cutting the index into parts"
    script:
        "../scripts/plan_index.py"


rule build_index_part:
    input:
        plan=rules.plan_index.output.plan,
        sample=rules.plan_index.output.sample,
        reduced=of_shards(rules.reduce_vectors.output.reduced),
    output:
        index=f"{PART}{Path(INDEX[0]).suffix}",
        facts=f"{PART}.json",
        nearest=f"{PART}.nearest.parquet",
    log:
        "<logs>/build_index_part/{part}.log",
    benchmark:
        "<benchmarks>/build_index_part/{part}.tsv"
    conda:
        "../../envs/index.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        library=library("build_index_part"),
    message:
        "Building the index, part {wildcards.part}"
    script:
        "../scripts/build_index_part.py"


rule build_index:
    input:
        **(
            {
                "plan": rules.plan_index.output.plan,
                "sample": rules.plan_index.output.sample,
                **{
                    name: for_each(
                        rules.build_index_part.output[name], part=INDEX_SHARDS
                    )
                    for name in ("index", "facts", "nearest")
                },
            }
            if len(INDEX) > 1
            else {}
        ),
        reduced=of_shards(rules.reduce_vectors.output.reduced),
    output:
        **({"index": INDEX} if len(INDEX) == 1 else {}),
        persons="<results>/index/persons.parquet",
        sidecar="<results>/index/index.json",
    log:
        "<logs>/build_index.log",
    benchmark:
        "<benchmarks>/build_index.tsv"
    conda:
        "../../envs/index.yaml"
    threads: INDEX_THREADS
    resources:
        mem_mb=memory(4000),
    params:
        index=config["index"],
        library=library("build_index"),
    message:
        "Building the index, tuned to its target recall"
    script:
        "../scripts/build_index.py"


rule time_index:
    input:
        index=INDEX,
        sidecar=rules.build_index.output.sidecar,
        reduced=of_shards(rules.reduce_vectors.output.reduced),
    output:
        timing="<results>/index/timing.json",
    log:
        "<logs>/time_index.log",
    benchmark:
        "<benchmarks>/time_index.tsv"
    conda:
        "../../envs/index.yaml"
    threads: INDEX_THREADS
    resources:
        mem_mb=memory(4000),
    params:
        library=library("time_index"),
    message:
        "Timing the index against exact search"
    script:
        "../scripts/time_index.py"


rule index:
    input:
        rules.build_index.output,
        rules.time_index.output,
