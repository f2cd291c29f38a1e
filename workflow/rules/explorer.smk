# Requires: the index, reduced/*.parquet, embeddings/*.parquet with the PCA model, the pictures, the queries and their
# hits. Gives:
# search/everyone/*.parquet, the neighbours of every person; search/map.parquet, each person's place
# on the map; explorer/, networks for the page; report/explorer/, a page with its data that needs no
# server.


SEARCH_EVERYONE = record(
    "search_everyone",
    "search.same_image",
    "search.hits_per_image",
    "search.near_duplicate",
    "search.exclude_near_duplicates",
    "explorer.neighbours",
    after=[BUILD_INDEX],
    sharded=True,
)


rule search_everyone:
    input:
        records_before(SEARCH_EVERYONE),
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        reduced=rules.reduce_vectors.output.reduced,
        all_reduced=all_shards(rules.reduce_vectors.output.reduced),
        embeddings=all_shards(rules.embed_persons.output.embeddings),
        model=rules.fit_pca.output.model,
    output:
        neighbours="<results>/search/everyone/{shard}.parquet",
        settings=record_file(SEARCH_EVERYONE),
    log:
        "<logs>/search_everyone/{shard}.log",
    benchmark:
        "<benchmarks>/search_everyone/{shard}.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        settings=SEARCH_EVERYONE.values,
    message:
        "Searching for everybody, shard {wildcards.shard}"
    script:
        "../scripts/search_everyone.py"


PROJECT_PERSONS = record(
    "project_persons", "explorer.projection", after=[REDUCE_VECTORS]
)


rule project_persons:
    input:
        records_before(PROJECT_PERSONS),
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        map="<results>/search/map.parquet",
        settings=record_file(PROJECT_PERSONS),
    log:
        "<logs>/project_persons.log",
    benchmark:
        "<benchmarks>/project_persons.tsv"
    conda:
        "../../envs/reduce.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        settings=PROJECT_PERSONS.values,
    message:
        "Drawing a map of all persons"
    script:
        "../scripts/project_persons.py"


OWN_PICTURES = settings.explorer.own_pictures
# The bundled detector finds nothing else.
FINDS = OWN_PICTURES and settings.dataset.category == "person"

EXPORT_NETWORKS = record(
    "export_networks",
    "detector",
    "search_set",
    "embedding",
    "dataset.category",
    after=[FETCH_WEIGHTS, FIT_PCA],
)


rule export_networks:
    input:
        records_before(EXPORT_NETWORKS),
        weights(),
        detector=rules.fetch_weights.output.detector,
        model=rules.fit_pca.output.model,
    output:
        describe="<results>/explorer/describe.onnx",
        find=branch(FINDS, then="<results>/explorer/find.onnx"),
        facts="<results>/explorer/networks.json",
        settings=record_file(EXPORT_NETWORKS),
    log:
        "<logs>/export_networks.log",
    benchmark:
        "<benchmarks>/export_networks.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=memory(3000),
    params:
        settings=EXPORT_NETWORKS.values,
        detector=DETECTOR,
    message:
        "Writing the networks for the explorer's page"
    script:
        "../scripts/export_networks.py"


BUILD_EXPLORER = record(
    "build_explorer",
    "dataset.source",
    "dataset.category",
    "search",
    "report.title",
    "report.picture_side",
    "explorer",
    after=[
        SEARCH_PERSONS,
        PROJECT_PERSONS,
        SEARCH_EVERYONE,
        *([EXPORT_NETWORKS] if OWN_PICTURES else []),
    ],
)


rule build_explorer:
    input:
        records_before(BUILD_EXPLORER),
        picture_archives(),
        manifest=rules.build_manifest.output.manifest,
        persons=rules.build_index.output.persons,
        queries=rules.select_queries.output.queries,
        hits=rules.search_persons.output.hits,
        map=rules.project_persons.output.map,
        everyone=all_shards(rules.search_everyone.output.neighbours),
        reduced=all_shards(rules.reduce_vectors.output.reduced),
        networks=branch(OWN_PICTURES, then=rules.export_networks.output.facts),
        describe=branch(OWN_PICTURES, then=rules.export_networks.output.describe),
        find=branch(FINDS, then=rules.export_networks.output.find),
    output:
        explorer=directory("<results>/report/explorer"),
        settings=record_file(BUILD_EXPLORER),
    log:
        "<logs>/build_explorer.log",
    benchmark:
        "<benchmarks>/build_explorer.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 4
    resources:
        mem_mb=memory(4000),
    params:
        settings=BUILD_EXPLORER.values,
        pictures=picture_folder(),
    message:
        "Building the explorer"
    script:
        "../scripts/build_explorer.py"


rule explorer:
    input:
        rules.build_explorer.output,
        # The page links to it.
        "<results>/report/index.html",
