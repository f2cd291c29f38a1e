# Requires: the index; for the user's own pictures, the detector; for queries that reveal and for a
# second look, the full-length vectors. Gives: search/queries.parquet and search/hits.parquet, ten
# neighbours a query.

QUERIES = config["queries"]
REVEALING = (
    QUERIES["strategy"] == "revealing" and QUERIES["count"] and not QUERIES["persons"]
)


rule embed_query_images:
    input:
        weights(),
        pictures=[own_file(name) for name in GIVEN["queries"]["images"]],
        detector=rules.fetch_weights.output.detector,
        model=rules.fit_pca.output.model,
    output:
        queries="<results>/search/query_images.parquet",
        full_length="<results>/search/query_images_full_length.parquet",
        skipped="<results>/search/skipped_query_images.tsv",
    log:
        "<logs>/embed_query_images.log",
    benchmark:
        "<benchmarks>/embed_query_images.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(4000),
        gpu=GPUS,
    params:
        detector=DETECTOR,
        category=lookup(within=config, dpath="dataset/category"),
        search_set=config["search_set"],
        embedding=config["embedding"],
        boxes=lookup(within=config, dpath="queries/boxes"),
        library=library("embed_query_images"),
    message:
        "Describing your own pictures"
    script:
        "../scripts/embed_query_images.py"


rule select_queries:
    input:
        **(
            {"query_images": rules.embed_query_images.output.queries}
            if QUERIES["images"]
            else {}
        ),
        **(
            {"manifest": rules.build_manifest.output.manifest, **full_length()}
            if REVEALING
            else {}
        ),
        persons=rules.build_index.output.persons,
        reduced=of_shards(rules.reduce_vectors.output.reduced),
    output:
        queries="<results>/search/queries.parquet",
    log:
        "<logs>/select_queries.log",
    benchmark:
        "<benchmarks>/select_queries.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        queries=QUERIES,
        library=library("select_queries"),
    message:
        "Choosing the queries"
    script:
        "../scripts/select_queries.py"


rule search_persons:
    input:
        **(full_length() if config["search"]["rerank"] else {}),
        **(
            {"own_pictures": rules.embed_query_images.output.full_length}
            if config["search"]["rerank"] and QUERIES["images"]
            else {}
        ),
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
    output:
        hits="<results>/search/hits.parquet",
    log:
        "<logs>/search_persons.log",
    benchmark:
        "<benchmarks>/search_persons.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        search=config["search"],
        library=library("search_persons"),
    message:
        "Searching"
    script:
        "../scripts/search_persons.py"


rule search:
    input:
        rules.search_persons.output,
