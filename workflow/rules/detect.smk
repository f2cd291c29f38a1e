# Requires: dataset/manifest.parquet and the pictures. Gives: detections/persons.json (COCO results
# format), detections/shards/*.parquet (the same rows) and detections/detector.json.


FETCH_WEIGHTS = record("fetch_weights", "detector", fingerprint=weights_fingerprint())


rule fetch_weights:
    input:
        user_inputs("detector"),
    output:
        weights=branch(pictures_travel, then=WEIGHTS),
        detector="<results>/detections/detector.json",
        settings=settings_file(FETCH_WEIGHTS),
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
        settings=FETCH_WEIGHTS.values,
        weights=config["detector"]["weights"],
    message:
        "Fetching and checking the detector's weights"
    script:
        "../scripts/fetch_weights.py"


# A job on another machine has only its inputs.
WEIGHTS_FILE = (
    str(rules.fetch_weights.output.weights)
    if pictures_travel
    else config["detector"]["weights"]
)


DETECT_PERSONS = record("detect_persons", "detector", "dataset.category")


rule detect_persons:
    input:
        picture_archives("{shard}"),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
    output:
        detections="<results>/detections/shards/{shard}.parquet",
        settings=settings_file(DETECT_PERSONS, "{shard}"),
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
        settings=DETECT_PERSONS.values,
        pictures=picture_folder(),
        weights=WEIGHTS_FILE,
    message:
        "Detecting, shard {wildcards.shard}"
    script:
        "../scripts/detect_persons.py"


GATHER_DETECTIONS = record("gather_detections")


rule gather_detections:
    input:
        detections=all_shards(rules.detect_persons.output.detections),
    output:
        persons="<results>/detections/persons.json",
        settings=settings_file(GATHER_DETECTIONS),
    log:
        "<logs>/gather_detections.log",
    benchmark:
        "<benchmarks>/gather_detections.tsv"
    conda:
        "../../envs/detect.yaml"
    params:
        settings=GATHER_DETECTIONS.values,
    message:
        "Gathering detections in COCO results format"
    script:
        "../scripts/gather_detections.py"


rule detect:
    input:
        rules.fetch_weights.output,
        rules.gather_detections.output,
