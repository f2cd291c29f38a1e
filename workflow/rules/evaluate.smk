# Requires: the outputs of the stages up to reduce, and the hits for evaluate_galleries. Gives:
# evaluation/*.json with tables and figures. The detections are evaluated only if the pictures have
# annotations.
# On request (`snakemake parity`): evaluation/parity.json, what bf16 or int8 changes on some pictures.


EVALUATE_DETECTIONS = record(
    "evaluate_detections", "dataset.category", after=[GATHER_DETECTIONS]
)


rule evaluate_detections:
    input:
        records_before(EVALUATE_DETECTIONS),
        manifest=rules.build_manifest.output.manifest,
        persons=rules.gather_detections.output.persons,
        annotations="<results>/dataset/annotations.json",
    output:
        numbers="<results>/evaluation/detections.json",
        table="<results>/evaluation/precision_recall.tsv",
        figure=report(
            "<results>/evaluation/precision_recall.svg",
            caption="../report/precision_recall.rst",
            category="How good it is",
            labels={"figure": "Precision and recall of the detections"},
        ),
        settings=record_file(EVALUATE_DETECTIONS),
    log:
        "<logs>/evaluate_detections.log",
    benchmark:
        "<benchmarks>/evaluate_detections.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        settings=EVALUATE_DETECTIONS.values,
    message:
        "Evaluating the detections"
    script:
        "../scripts/evaluate_detections.py"


EVALUATE_SEARCH = record(
    "evaluate_search",
    "dataset.category",
    "evaluation",
    "search.rerank",
    after=[EMBED_DISTORTED, REDUCE_VECTORS],
)


rule evaluate_search:
    input:
        records_before(EVALUATE_SEARCH),
        annotations=ANNOTATIONS,
        manifest=rules.build_manifest.output.manifest,
        embeddings=all_shards(rules.embed_persons.output.embeddings),
        distorted=rules.embed_distorted.output.distorted,
        model=rules.fit_pca.output.model,
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        numbers="<results>/evaluation/search.json",
        figure=report(
            "<results>/evaluation/components.svg",
            caption="../report/components.rst",
            category="How good it is",
            labels={"figure": "What the number of components changes"},
        ),
        settings=record_file(EVALUATE_SEARCH),
    log:
        "<logs>/evaluate_search.log",
    benchmark:
        "<benchmarks>/evaluate_search.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=EVALUATE_SEARCH.values,
    message:
        "Evaluating the neighbours"
    script:
        "../scripts/evaluate_search.py"


# Apart from evaluate_search, which takes long and does not depend on the queries.
EVALUATE_GALLERIES = record(
    "evaluate_galleries",
    "dataset.category",
    "evaluation.seed",
    "search.neighbours",
    "search.same_image",
    "search.hits_per_image",
    after=[SEARCH_PERSONS],
)


rule evaluate_galleries:
    input:
        records_before(EVALUATE_GALLERIES),
        annotations=ANNOTATIONS,
        manifest=rules.build_manifest.output.manifest,
        persons=rules.build_index.output.persons,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
        embeddings=all_shards(rules.embed_persons.output.embeddings),
        model=rules.fit_pca.output.model,
    output:
        galleries="<results>/evaluation/galleries.json",
        by_last_map="<results>/evaluation/by_last_map.parquet",
        settings=record_file(EVALUATE_GALLERIES),
    log:
        "<logs>/evaluate_galleries.log",
    benchmark:
        "<benchmarks>/evaluate_galleries.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=EVALUATE_GALLERIES.values,
    message:
        "Evaluating the galleries"
    script:
        "../scripts/evaluate_galleries.py"


rule evaluate:
    input:
        rules.evaluate_search.output,
        rules.evaluate_galleries.output,
        branch(ANNOTATED, then=rules.evaluate_detections.output),


MEASURE_PARITY = record(
    "measure_parity",
    "detector",
    "embedding",
    "dataset.category",
    "search_set.min_score",
    "evaluation.parity_images",
    after=[BUILD_MANIFEST, FETCH_WEIGHTS],
)


rule measure_parity:
    input:
        records_before(MEASURE_PARITY),
        picture_archives(),
        weights(),
        annotations=ANNOTATIONS,
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
    output:
        parity="<results>/evaluation/parity.json",
        settings=record_file(MEASURE_PARITY),
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
        settings=MEASURE_PARITY.values,
        pictures=picture_folder(),
        detector=DETECTOR,
    message:
        "Comparing the run's precision with fp32"
    script:
        "../scripts/measure_parity.py"


rule parity:
    input:
        rules.measure_parity.output,
