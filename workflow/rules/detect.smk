# Requires: dataset/manifest.parquet and the pictures. Gives: detections/persons.json (COCO results
# format), detections/shards/*.parquet (the same rows) and detections/detector.json.


rule fetch_weights:
    input:
        user_inputs("detector"),
    output:
        weights=branch(pictures_travel, then=WEIGHTS),
        detector="<results>/detections/detector.json",
    log:
        "<logs>/fetch_weights.log",
    benchmark:
        "<benchmarks>/fetch_weights.tsv"
    conda:
        "../../envs/detect.yaml"
    resources:
        mem_mb=memory(3000),
        # It finds out what the device can do.
        gpu=GPUS,
    params:
        detector=lookup(within=config, dpath="detector"),
        fingerprint=weights_fingerprint(),
        library=library("fetch_weights"),
    message:
        "Fetching and checking the detector's weights"
    script:
        "../scripts/fetch_weights.py"


# A job on another machine has only its inputs.
DETECTOR = dict(config["detector"])
if pictures_travel:
    DETECTOR["weights"] = str(rules.fetch_weights.output.weights)


rule detect_persons:
    input:
        picture_archives("{shard}"),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
    output:
        detections="<results>/detections/shards/{shard}.parquet",
    log:
        "<logs>/detect_persons/{shard}.log",
    benchmark:
        "<benchmarks>/detect_persons/{shard}.tsv"
    conda:
        "../../envs/detect.yaml"
    resources:
        mem_mb=memory(4000),
        gpu=GPUS,
    params:
        detector=DETECTOR,
        category=lookup(within=config, dpath="dataset/category"),
        pictures=picture_folder(),
        library=library("detect_persons"),
    message:
        "Detecting, shard {wildcards.shard}"
    script:
        "../scripts/detect_persons.py"


rule gather_detections:
    input:
        detections=all_shards(rules.detect_persons.output.detections),
    output:
        persons="<results>/detections/persons.json",
    log:
        "<logs>/gather_detections.log",
    benchmark:
        "<benchmarks>/gather_detections.tsv"
    conda:
        "../../envs/detect.yaml"
    params:
        library=library("gather_detections"),
    message:
        "Gathering detections in COCO results format"
    script:
        "../scripts/gather_detections.py"


rule detect:
    input:
        rules.fetch_weights.output,
        rules.gather_detections.output,
