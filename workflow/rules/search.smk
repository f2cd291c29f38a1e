# Requires: the index; the detector, for the user's own pictures; the full-length vectors, for
# revealing queries and for reranking. Gives: search/queries.parquet, and search/hits.parquet with the
# neighbours of each query.

QUERIES = settings.queries
# Revealing queries, and reranking, need the vectors before they are reduced.
REVEALING = QUERIES.strategy == "revealing" and QUERIES.count and not QUERIES.persons
RERANK = settings.search.rerank > 0


rule embed_query_images:
    input:
        weights(),
        pictures=user_pictures(),
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
        search_set=lookup(within=config, dpath="search_set"),
        embedding=lookup(within=config, dpath="embedding"),
        boxes=lookup(within=config, dpath="queries/boxes"),
        library=library("embed_query_images"),
    message:
        "Describing your own pictures"
    script:
        "../scripts/embed_query_images.py"


rule select_queries:
    input:
        query_images=branch(
            QUERIES.images, then=rules.embed_query_images.output.queries
        ),
        manifest=branch(REVEALING, then=rules.build_manifest.output.manifest),
        embeddings=branch(
            REVEALING, then=all_shards(rules.embed_persons.output.embeddings)
        ),
        model=branch(REVEALING, then=rules.fit_pca.output.model),
        persons=rules.build_index.output.persons,
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        queries="<results>/search/queries.parquet",
    log:
        "<logs>/select_queries.log",
    benchmark:
        "<benchmarks>/select_queries.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        queries=lookup(within=config, dpath="queries"),
        library=library("select_queries"),
    message:
        "Choosing the queries"
    script:
        "../scripts/select_queries.py"


rule search_persons:
    input:
        embeddings=branch(
            RERANK, then=all_shards(rules.embed_persons.output.embeddings)
        ),
        model=branch(RERANK, then=rules.fit_pca.output.model),
        own_pictures=branch(
            RERANK and QUERIES.images, then=rules.embed_query_images.output.full_length
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
        search=lookup(within=config, dpath="search"),
        library=library("search_persons"),
    message:
        "Searching"
    script:
        "../scripts/search_persons.py"


rule search:
    input:
        rules.search_persons.output,
