# Requires: what the stages up to the search hand on, and Jupyter (requirements-notebook.txt). Gives:
# notebook/walkthrough.ipynb, the walk through these files in notebooks/walkthrough.py, executed.


rule run_notebook:
    input:
        packed(),
        query_pictures(),
        **(
            {"own_pictures": rules.embed_query_images.output.full_length}
            if QUERIES["images"]
            else {}
        ),
        **full_length(),
        text=local(str(SCRIPTS.parents[1] / "notebooks/walkthrough.py")),
        manifest=rules.build_manifest.output.manifest,
        skipped=rules.build_manifest.output.skipped,
        detections=of_shards(rules.detect_persons.output.detections),
        reduced=of_shards(rules.reduce_vectors.output.reduced),
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
    output:
        notebook="<results>/notebook/walkthrough.ipynb",
    log:
        "<logs>/run_notebook.log",
    benchmark:
        "<benchmarks>/run_notebook.tsv"
    conda:
        "../../envs/notebook.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        results=lambda wildcards, output: str(Path(output.notebook).parents[1]),
        pictures=own_pictures(),
        search=config["search"],
        library=library("run_notebook"),
    message:
        "Running the notebook that explains the files"
    script:
        "../scripts/run_notebook.py"


rule notebook:
    input:
        rules.run_notebook.output,
