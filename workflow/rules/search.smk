# Requires: the index; the detector, for the user's own pictures; the full-length vectors, which tell
# near-duplicates. Gives: search/queries.parquet, and search/hits.parquet with the
# neighbours of each query.

QUERIES = settings.queries
# Revealing queries need the vectors before they are reduced.
REVEALING = QUERIES.strategy == "revealing" and QUERIES.count and not QUERIES.persons


EMBED_QUERY_IMAGES = record(
    "embed_query_images",
    "detector",
    "dataset.category",
    "dataset.max_pixels",
    "search_set",
    "embedding",
    "queries.images",
    "queries.boxes",
    after=[FIT_PCA],
)


rule embed_query_images:
    input:
        records_before(EMBED_QUERY_IMAGES),
        weights(),
        pictures=user_pictures(),
        manifest=rules.build_manifest.output.manifest,
        detector=rules.fetch_weights.output.detector,
        model=rules.fit_pca.output.model,
    output:
        queries="<results>/search/query_images.parquet",
        full_length="<results>/search/query_images_full_length.parquet",
        skipped="<results>/search/skipped_query_images.tsv",
        settings=record_file(EMBED_QUERY_IMAGES),
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
        settings=EMBED_QUERY_IMAGES.values,
        picture_folder=picture_folder(),
        detector=DETECTOR,
    message:
        "Describing your own pictures"
    script:
        "../scripts/embed_query_images.py"


SELECT_QUERIES = record(
    "select_queries",
    "queries",
    after=[BUILD_INDEX, *([EMBED_QUERY_IMAGES] if QUERIES.images else [])],
)


rule select_queries:
    input:
        records_before(SELECT_QUERIES),
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
        settings=record_file(SELECT_QUERIES),
    log:
        "<logs>/select_queries.log",
    benchmark:
        "<benchmarks>/select_queries.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        settings=SELECT_QUERIES.values,
    message:
        "Choosing the queries"
    script:
        "../scripts/select_queries.py"


SEARCH_PERSONS = record("search_persons", "search", after=[SELECT_QUERIES])


rule search_persons:
    input:
        records_before(SEARCH_PERSONS),
        embeddings=all_shards(rules.embed_persons.output.embeddings),
        model=rules.fit_pca.output.model,
        own_pictures=branch(
            QUERIES.images, then=rules.embed_query_images.output.full_length
        ),
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        queries=rules.select_queries.output.queries,
    output:
        hits="<results>/search/hits.parquet",
        settings=record_file(SEARCH_PERSONS),
    log:
        "<logs>/search_persons.log",
    benchmark:
        "<benchmarks>/search_persons.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        settings=SEARCH_PERSONS.values,
    message:
        "Searching"
    script:
        "../scripts/search_persons.py"


rule search:
    input:
        rules.search_persons.output,
