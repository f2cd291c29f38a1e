# Requires: the outputs of all stages. Gives: report/index.html, one page that needs no other file;
# report/light.html, the same with smaller pictures, for `snakemake --report`; report/report.md with
# report/figures/, the same for a code host; report/hits.csv, all hits; report/run.json, what one needs
# to know to repeat the run. Only with report.timings they contain measured times, and the command,
# commit and machine.
# On request (`snakemake notebook`, with requirements-notebook.txt): notebook/walkthrough.ipynb, the
# executed notebooks/walkthrough.py, which explains these files.

TIMINGS = settings.report.timings


RENDER_REPORT = record(
    "render_report",
    *deciding_settings(),
    after=[
        SEARCH_PERSONS,
        EVALUATE_SEARCH,
        EVALUATE_GALLERIES,
        GATHER_DETECTIONS,
        *([EVALUATE_DETECTIONS] if ANNOTATED else []),
        *([TIME_INDEX] if TIMINGS else []),
    ],
)


rule render_report:
    input:
        records_before(RENDER_REPORT),
        picture_archives(),
        branch(pictures_travel, then=user_pictures()),
        detection_numbers=branch(
            ANNOTATED, then=rules.evaluate_detections.output.numbers
        ),
        precision_recall_figure=branch(
            ANNOTATED, then=rules.evaluate_detections.output.figure
        ),
        skipped_queries=branch(
            QUERIES.images, then=rules.embed_query_images.output.skipped
        ),
        timing=branch(TIMINGS, then=rules.time_index.output.timing),
        listed=rules.fetch_annotations.output.images,
        manifest=rules.build_manifest.output.manifest,
        skipped=rules.build_manifest.output.skipped,
        detector=rules.fetch_weights.output.detector,
        detections=rules.gather_detections.output.persons,
        model=rules.fit_pca.output.model,
        variance_figure=rules.fit_pca.output.figure,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
        search_numbers=rules.evaluate_search.output.numbers,
        components_figure=rules.evaluate_search.output.figure,
        galleries=rules.evaluate_galleries.output.galleries,
        by_last_map=rules.evaluate_galleries.output.by_last_map,
    output:
        index="<results>/report/index.html",
        light=report(
            "<results>/report/light.html",
            caption="../report/index.rst",
            category="Report",
            labels={"what": "The whole report"},
        ),
        markdown="<results>/report/report.md",
        hits=report(
            "<results>/report/hits.csv",
            caption="../report/hits.rst",
            category="Report",
            labels={"what": "All hits as a table"},
        ),
        run="<results>/report/run.json",
        figures=report(
            directory("<results>/report/figures"),
            patterns=["query-{query}.jpg"],
            caption="../report/gallery.rst",
            category="Galleries",
            labels={"query": "{query}"},
        ),
        settings=record_file(RENDER_REPORT),
    log:
        "<logs>/render_report.log",
    benchmark:
        "<benchmarks>/render_report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=RENDER_REPORT.values,
        pictures=picture_folder(),
        # Not an input: deleting a benchmark would run its job again.
        benchmarks=str(Path(rules.build_manifest.benchmark).parent) if TIMINGS else None,
        # Nor these: each run writes them anew.
        logs=str(logs_folder()) if TIMINGS else None,
    message:
        "Writing the report"
    script:
        "../scripts/render_report.py"


rule report:
    input:
        rules.render_report.output,
        # The page links to it.
        branch(settings.report.explorer, then=rules.build_explorer.output),


NOTEBOOK_TEXT = str(SCRIPTS.parents[1] / "notebooks/walkthrough.py")
RUN_NOTEBOOK = record(
    "run_notebook", "search", text=sha256_file(NOTEBOOK_TEXT), after=[SEARCH_PERSONS]
)


rule run_notebook:
    input:
        records_before(RUN_NOTEBOOK),
        picture_archives(),
        branch(pictures_travel, then=user_pictures()),
        own_pictures=branch(
            QUERIES.images, then=rules.embed_query_images.output.full_length
        ),
        embeddings=all_shards(rules.embed_persons.output.embeddings),
        model=rules.fit_pca.output.model,
        # Its content is in the record. A fresh clone has new times.
        text=ancient(local(NOTEBOOK_TEXT)),
        manifest=rules.build_manifest.output.manifest,
        skipped=rules.build_manifest.output.skipped,
        detections=all_shards(rules.detect_persons.output.detections),
        reduced=all_shards(rules.reduce_vectors.output.reduced),
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
    output:
        notebook="<results>/notebook/walkthrough.ipynb",
        settings=record_file(RUN_NOTEBOOK),
    log:
        "<logs>/run_notebook.log",
    benchmark:
        "<benchmarks>/run_notebook.tsv"
    conda:
        "../../envs/notebook.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=RUN_NOTEBOOK.values,
        results=lambda wildcards, output: str(Path(output.notebook).parents[1]),
        pictures=picture_folder(),
    message:
        "Running the notebook that explains the files"
    script:
        "../scripts/run_notebook.py"


rule notebook:
    input:
        rules.run_notebook.output,
