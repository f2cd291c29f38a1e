# Requires: embeddings/*.parquet. Gives: pca/model.npz with the table and figure of explained
# variance, and reduced/*.parquet, the reduced vector of each person.


FIT_PCA = record("fit_pca", "reduction", after=[EMBED_PERSONS])


rule fit_pca:
    input:
        records_before(FIT_PCA),
        embeddings=all_shards(rules.embed_persons.output.embeddings),
    output:
        model="<results>/pca/model.npz",
        table="<results>/pca/explained_variance.tsv",
        figure=report(
            "<results>/pca/explained_variance.svg",
            caption="../report/explained_variance.rst",
            category="How it was made",
            labels={"figure": "Variance kept by the reduction"},
        ),
        settings=record_file(FIT_PCA),
    log:
        "<logs>/fit_pca.log",
    benchmark:
        "<benchmarks>/fit_pca.tsv"
    conda:
        "../../envs/reduce.yaml"
    resources:
        mem_mb=memory(1500),
    params:
        settings=FIT_PCA.values,
    message:
        "Fitting the PCA"
    script:
        "../scripts/fit_pca.py"


REDUCE_VECTORS = record("reduce_vectors", after=[FIT_PCA], sharded=True)


rule reduce_vectors:
    input:
        records_before(REDUCE_VECTORS),
        embeddings=rules.embed_persons.output.embeddings,
        model=rules.fit_pca.output.model,
    output:
        reduced="<results>/reduced/{shard}.parquet",
        settings=record_file(REDUCE_VECTORS),
    log:
        "<logs>/reduce_vectors/{shard}.log",
    benchmark:
        "<benchmarks>/reduce_vectors/{shard}.tsv"
    conda:
        "../../envs/reduce.yaml"
    resources:
        mem_mb=memory(1000),
    params:
        settings=REDUCE_VECTORS.values,
    message:
        "Reducing vectors, shard {wildcards.shard}"
    script:
        "../scripts/reduce_vectors.py"


rule reduce:
    input:
        rules.fit_pca.output,
        all_shards(rules.reduce_vectors.output.reduced),
        expand(record_file(REDUCE_VECTORS), shard=SHARDS),
