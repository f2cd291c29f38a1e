# Requires: detections/persons.json with annotations, and search/hits.parquet. Gives:
# evaluation/*.json with tables and figures. Without annotations detections are not evaluated.


rule evaluate_detections:
    input:
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
    log:
        "<logs>/evaluate_detections.log",
    benchmark:
        "<benchmarks>/evaluate_detections.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        category=lookup(within=config, dpath="dataset/category"),
        library=library("evaluate_detections"),
    message:
        "Evaluating the detections"
    script:
        "../scripts/evaluate_detections.py"


rule evaluate_search:
    input:
        manifest=rules.build_manifest.output.manifest,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
    output:
        numbers="<results>/evaluation/search.json",
    log:
        "<logs>/evaluate_search.log",
    benchmark:
        "<benchmarks>/evaluate_search.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        library=library("evaluate_search"),
    message:
        "Evaluating the neighbours"
    script:
        "../scripts/evaluate_search.py"


rule evaluate:
    input:
        rules.evaluate_search.output,
        rules.evaluate_detections.output if ANNOTATED else [],
