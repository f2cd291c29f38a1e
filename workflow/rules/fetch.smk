# Requires: the section `dataset`. Gives: dataset/manifest.parquet, one row for each usable picture;
# dataset/skipped.tsv, one row for each picture left out; and dataset/annotations.json, if the source
# has annotations, with keypoints if it has these.


FETCH_ANNOTATIONS = record(
    "fetch_annotations", "dataset", fingerprint=fetch.fingerprint(user_settings.dataset)
)


rule fetch_annotations:
    input:
        user_inputs("dataset"),
    output:
        annotations=ANNOTATIONS,
        images="<results>/dataset/images.parquet",
        skipped="<results>/dataset/listed_skipped.tsv",
        settings=record_file(FETCH_ANNOTATIONS),
    log:
        "<logs>/fetch_annotations.log",
    benchmark:
        "<benchmarks>/fetch_annotations.tsv"
    conda:
        "../../envs/fetch.yaml"
    resources:
        mem_mb=memory(2500),
    params:
        settings=FETCH_ANNOTATIONS.values,
    message:
        "Listing the pictures"
    script:
        "../scripts/fetch_annotations.py"


# Which pictures there are is in the record before.
FETCH_IMAGES = record("fetch_images", "shards", after=[FETCH_ANNOTATIONS], sharded=True)


rule fetch_images:
    input:
        records_before(FETCH_IMAGES),
        user_inputs("dataset"),
        images=rules.fetch_annotations.output.images,
    output:
        pictures=branch(pictures_travel, then="<results>/dataset/pictures/{shard}.zip"),
        rows="<results>/dataset/shards/{shard}.parquet",
        skipped="<results>/dataset/shards/{shard}.skipped.tsv",
        settings=record_file(FETCH_IMAGES),
    log:
        "<logs>/fetch_images/{shard}.log",
    benchmark:
        "<benchmarks>/fetch_images/{shard}.tsv"
    conda:
        "../../envs/fetch.yaml"
    resources:
        mem_mb=memory(2000),
    params:
        settings=FETCH_IMAGES.values,
        image_root=lambda wildcards, input: fetch.image_root(
            settings.dataset, Path(input.images).parents[1]
        ),
    message:
        "Fetching and checking pictures, shard {wildcards.shard}"
    script:
        "../scripts/fetch_images.py"


BUILD_MANIFEST = record("build_manifest", after=[FETCH_IMAGES])


rule build_manifest:
    input:
        records_before(BUILD_MANIFEST),
        rows=all_shards(rules.fetch_images.output.rows),
        skipped=all_shards(rules.fetch_images.output.skipped),
        listed_skipped=rules.fetch_annotations.output.skipped,
    output:
        manifest="<results>/dataset/manifest.parquet",
        skipped="<results>/dataset/skipped.tsv",
        settings=record_file(BUILD_MANIFEST),
    log:
        "<logs>/build_manifest.log",
    benchmark:
        "<benchmarks>/build_manifest.tsv"
    conda:
        "../../envs/fetch.yaml"
    params:
        settings=BUILD_MANIFEST.values,
    message:
        "Writing the manifest"
    script:
        "../scripts/build_manifest.py"


rule fetch:
    input:
        rules.build_manifest.output,
