# Requires: the index, reduced/*.parquet, the pictures and the queries. Gives:
# search/everyone/*.parquet, the neighbours of every person; search/map.parquet, each person's place
# on the map; report/explorer/, a page with its data that needs no server.


rule search_everyone:
    input:
        index=INDEX,
        persons=rules.build_index.output.persons,
        sidecar=rules.build_index.output.sidecar,
        reduced=rules.reduce_vectors.output.reduced,
    output:
        neighbours="<results>/search/everyone/{shard}.parquet",
    log:
        "<logs>/search_everyone/{shard}.log",
    benchmark:
        "<benchmarks>/search_everyone/{shard}.tsv"
    conda:
        "../../envs/index.yaml"
    params:
        # The explorer does not rerank.
        search={k: v for k, v in config["search"].items() if k != "rerank"},
        neighbours=lookup(within=config, dpath="explorer/neighbours"),
        library=library("search_everyone"),
    message:
        "Searching for everybody, shard {wildcards.shard}"
    script:
        "../scripts/search_everyone.py"


rule project_persons:
    input:
        reduced=all_shards(rules.reduce_vectors.output.reduced),
    output:
        map="<results>/search/map.parquet",
    log:
        "<logs>/project_persons.log",
    benchmark:
        "<benchmarks>/project_persons.tsv"
    conda:
        "../../envs/reduce.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        projection=lookup(within=config, dpath="explorer/projection"),
        library=library("project_persons"),
    message:
        "Drawing a map of all persons"
    script:
        "../scripts/project_persons.py"


rule build_explorer:
    input:
        picture_archives(),
        manifest=rules.build_manifest.output.manifest,
        persons=rules.build_index.output.persons,
        queries=rules.select_queries.output.queries,
        map=rules.project_persons.output.map,
        everyone=all_shards(rules.search_everyone.output.neighbours),
    output:
        explorer=directory("<results>/report/explorer"),
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
        config={
            "dataset": {key: config["dataset"][key] for key in ("source", "category")},
            "search": config["search"],
            "report": {"title": config["report"]["title"]},
            "explorer": config["explorer"],
        },
        pictures=picture_folder(),
        library=library("build_explorer"),
    message:
        "Building the explorer"
    script:
        "../scripts/build_explorer.py"


rule explorer:
    input:
        rules.build_explorer.output,
        # The page links to it.
        "<results>/report/index.html",
