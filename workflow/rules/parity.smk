# Requires: the pictures and detections/detector.json. Gives, only when asked for (`snakemake
# parity`): evaluation/parity.json, what computing in bf16 changes on some of the pictures.


rule measure_parity:
    input:
        packed(),
        weights(),
        **({"annotations": "<results>/dataset/annotations.json"} if ANNOTATED else {}),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
    output:
        parity="<results>/evaluation/parity.json",
    log:
        "<logs>/measure_parity.log",
    benchmark:
        "<benchmarks>/measure_parity.tsv"
    conda:
        "../../envs/parity.yaml"
    resources:
        mem_mb=memory(6000),
        gpu=GPUS,
    params:
        detector=DETECTOR,
        embedding=config["embedding"],
        category=lookup(within=config, dpath="dataset/category"),
        min_score=lookup(within=config, dpath="search_set/min_score"),
        images=lookup(within=config, dpath="evaluation/parity_images"),
        pictures=own_pictures(),
        library=library("measure_parity"),
    message:
        "Comparing the run's precision with fp32"
    script:
        "../scripts/measure_parity.py"


rule parity:
    input:
        rules.measure_parity.output,
