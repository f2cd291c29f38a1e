# Requires: dataset/manifest.parquet and the pictures. Gives: detections/persons.json (COCO results
# format), detections/coco.json (the same with the pictures, a COCO data set),
# detections/shards/*.parquet (the same rows), detections/skipped.tsv, one row for each picture that
# the detector cannot take, and detections/detector.json.

# Networks in int8 are calibrated on pictures.
IN_INT8 = settings.detector.precision == "int8"
FETCH_WEIGHTS = record(
    "fetch_weights",
    "detector",
    after=[BUILD_MANIFEST] if IN_INT8 else [],
    fingerprint=weights_fingerprint(),
)


rule fetch_weights:
    input:
        records_before(FETCH_WEIGHTS),
        user_inputs("detector"),
        picture_archives() if IN_INT8 else [],
        manifest=branch(IN_INT8, then=rules.build_manifest.output.manifest),
    output:
        weights=branch(pictures_travel, then=WEIGHTS),
        detector="<results>/detections/detector.json",
        settings=record_file(FETCH_WEIGHTS),
    log:
        "<logs>/fetch_weights.log",
    benchmark:
        "<benchmarks>/fetch_weights.tsv"
    conda:
        "../../envs/detect.yaml"
    resources:
        mem_mb=memory(8000 if IN_INT8 else 3000),
        # It finds out what the device can do.
        gpu=GPUS,
    params:
        settings=FETCH_WEIGHTS.values,
        pictures=picture_folder(),
        detector=config["detector"],
        # Networks for crops are converted here too; a job after a change makes its own.
        embedding=config["embedding"],
    message:
        "Fetching and checking the detector's weights"
    script:
        "../scripts/fetch_weights.py"


# A job on another machine has only its inputs.
DETECTOR = dict(config["detector"])
if pictures_travel:
    DETECTOR["weights"] = str(rules.fetch_weights.output.weights)


DETECT_PERSONS = record(
    "detect_persons",
    "detector",
    "dataset.category",
    after=[BUILD_MANIFEST, FETCH_WEIGHTS],
    sharded=True,
)


rule detect_persons:
    input:
        records_before(DETECT_PERSONS),
        picture_archives("{shard}"),
        weights(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
    output:
        detections="<results>/detections/shards/{shard}.parquet",
        skipped="<results>/detections/shards/{shard}.skipped.tsv",
        settings=record_file(DETECT_PERSONS),
    log:
        "<logs>/detect_persons/{shard}.log",
    benchmark:
        "<benchmarks>/detect_persons/{shard}.tsv"
    conda:
        "../../envs/detect.yaml"
    resources:
        mem_mb=memory(NETWORK_MB),
        gpu=GPUS,
    params:
        settings=DETECT_PERSONS.values,
        pictures=picture_folder(),
        detector=DETECTOR,
    message:
        "Detecting, shard {wildcards.shard}"
    script:
        "../scripts/detect_persons.py"


GATHER_DETECTIONS = record(
    "gather_detections", "dataset.category", after=[DETECT_PERSONS]
)


rule gather_detections:
    input:
        records_before(GATHER_DETECTIONS),
        detections=all_shards(rules.detect_persons.output.detections),
        skipped=all_shards(rules.detect_persons.output.skipped),
        manifest=rules.build_manifest.output.manifest,
    output:
        persons="<results>/detections/persons.json",
        coco="<results>/detections/coco.json",
        skipped="<results>/detections/skipped.tsv",
        settings=record_file(GATHER_DETECTIONS),
    log:
        "<logs>/gather_detections.log",
    benchmark:
        "<benchmarks>/gather_detections.tsv"
    conda:
        "../../envs/detect.yaml"
    params:
        settings=GATHER_DETECTIONS.values,
    message:
        "Gathering detections in COCO's formats"
    script:
        "../scripts/gather_detections.py"


rule detect:
    input:
        rules.fetch_weights.output,
        rules.gather_detections.output,
