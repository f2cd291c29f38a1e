# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The files of a run, opened by hand
#
# Each stage of the workflow writes files that common libraries can read: Parquet, JSON and NumPy's
# `.npz`. This notebook opens them one after another and repeats one search step by step. At each
# step it checks that it gets what the run wrote. It imports none of the workflow's own code.
#
# `snakemake notebook` runs it on your results and saves a copy with all outputs there, as
# `notebook/walkthrough.ipynb`. Open the copy or this text in Jupyter, and change it.

# %%
import json
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

register_heif_opener()  # a phone's HEIC
Image.MAX_IMAGE_PIXELS = None  # the run has checked its pictures

# %% [markdown]
# ## Which run
#
# `snakemake notebook` fills in the values of its run. Paths are relative to the notebook's folder.

# %% tags=["parameters"]
results = "../results/demo"  # the folder of a run
pictures = None  # your own folder of pictures, if the run used one
started_in = ".."  # where snakemake was started: paths in the configuration are relative to it
search = {  # the section `search` of the configuration
    "neighbours": 10,
    "same_image": False,
    "hits_per_image": 1,
    "near_duplicate": 0.77,
    "exclude_near_duplicates": False,
    "rerank": 0,
}

# %%
run = Path(results)
image_folder = Path(started_in, pictures) if pictures else run / "dataset/images"
assert (run / "search/hits.parquet").is_file(), f"there is no finished run in {run.resolve()}"

# %% [markdown]
# ## The pictures: `dataset/manifest.parquet`
#
# One row for each picture: size, hash, licence, source, and labels if the source has some. Pictures
# that could not be used are in `dataset/skipped.tsv`, with the reasons.

# %%
manifest = pd.read_parquet(run / "dataset/manifest.parquet")
skipped = pd.read_csv(run / "dataset/skipped.tsv", sep="\t")
print(len(manifest), "pictures used,", len(skipped), "left out")
manifest[["image_id", "file", "width", "height", "license", "labels", "shard"]].head()

# %% [markdown]
# The large stages run in **shards**, one job for each. The shard of a picture is `image_id` modulo
# the number of shards. The manifest says which shards there are; a file left over from a run with
# more shards is not read.

# %%
shards = sorted(manifest["shard"].unique())


def read_shards(folder, filters=None):
    """One table of all shards, as the stage would have written it in one piece."""
    files = [run / folder / f"{shard}.parquet" for shard in shards]
    tables = [pd.read_parquet(file, filters=filters) for file in files]
    key = "person_id" if "person_id" in tables[0] else ["image_id", "category_id", "det_index"]
    return pd.concat(tables).sort_values(key, ignore_index=True)


# %% [markdown]
# ## What was detected: `detections/shards/*.parquet`
#
# All boxes down to a very low score, because average precision needs them. `x` and `y` are the
# upper left corner, in pixels of the upright picture. `det_index` numbers the detections of a
# picture by falling score. (`detections/persons.json` has the same rows in COCO's results format.)

# %%
detections = read_shards("detections/shards")
print(len(detections), "detections, the lowest of score", round(detections["score"].min(), 3))
detections.head()

# %% [markdown]
# ## Who is searched: `index/persons.parquet`
#
# The search set holds the detections with a high enough score and height. The id of a person is
#
# $$\text{person\_id} = \text{image\_id} \cdot 1000 + \text{det\_index}$$
#
# so it does not change with other pictures, the number of shards or the settings of the search. Row
# *n* of this table is item *n* of the index.

# %%
persons = pd.read_parquet(run / "index/persons.parquet")
assert len(persons), "the search set holds nobody: there is nothing to follow"
assert (persons["person_id"] == persons["image_id"] * 1000 + persons["det_index"]).all()
print(len(persons), "persons in", persons["image_id"].nunique(), "pictures")
print("lowest score", round(persons["score"].min(), 3), "- least height", round(persons["h"].min()))
persons.head()

# %% [markdown]
# ## The vectors: `embeddings/*.parquet`
#
# The column `vector` is the last feature map of the detector's backbone, averaged: 2048 values with
# a ResNet-50. With `embedding.maps: both`, the column `before` is the map before it, averaged in
# horizontal stripes. The metadata of the file say how it was made.

# %%
embeddings = pq.ParquetFile(run / f"embeddings/{shards[0]}.parquet")
print(json.dumps(json.loads(embeddings.schema_arrow.metadata[b"visualsearch"]), indent=1))
columns = [name for name in ("vector", "before") if name in embeddings.schema_arrow.names]
for name in columns:
    print(f"values in {name}:", embeddings.schema_arrow.field(name).type.list_size)

# %% [markdown]
# The search scales each to length 1 and joins them.

# %%


def to_length_1(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)  # full-length ones are stored as float16
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


def full_length(table):
    """The vectors of persons as the search takes them, [N, D]."""
    parts = [np.stack(table[name]) for name in columns]
    return parts[0] if len(parts) == 1 else np.hstack([to_length_1(part) for part in parts])


# %% [markdown]
# ## Who is searched for: `search/queries.parquet`
#
# Persons of the search set, each chosen for a reason, or persons in your own pictures (these have
# no `person_id`).

# %%
queries = pq.read_table(run / "search/queries.parquet").to_pylist()
hits = pd.read_parquet(run / "search/hits.parquet")
shown = ["query", "role", "reason", "person_id", "picture", "score"]
if not queries:
    print("This run has no query. The first person of the search set is searched for instead.")
pd.DataFrame([[query[name] for name in shown] for query in queries], columns=shown, dtype=object)

# %% [markdown]
# From here on we follow the first one. Its full-length vector is in the embeddings or, for your own
# picture, in `search/query_images_full_length.parquet`.

# %%
if queries:
    query = queries[0]
else:
    query = persons.head(1).to_dict("records")[0]
    query |= {"query": None, "picture": None, "vector": None}

if query["picture"]:
    # Your own pictures are the first of the queries, here in the same order.
    own_pictures = pd.read_parquet(run / "search/query_images_full_length.parquet")
    full_query = full_length(own_pictures)[queries.index(query)]
else:
    own = [("person_id", "==", query["person_id"])]
    full_query = full_length(read_shards("embeddings", filters=own))[0]


def open_upright(file):
    """The picture turned upright, by the orientation that the camera noted."""
    with Image.open(file) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def picture_of(row):
    """The whole picture that a query or a hit is in."""
    if row.get("picture"):
        return open_upright(Path(started_in, row["picture"]))
    found = manifest.set_index("image_id").loc[row["image_id"]]
    archive = run / f"dataset/pictures/{found['shard']}.zip"
    if archive.exists():  # a run with its results in object storage
        with zipfile.ZipFile(archive) as pictures_of_shard:
            return open_upright(pictures_of_shard.open(found["file"]))
    return open_upright(image_folder / found["file"])


def crop_of(row):
    """A query or a hit, cut out."""
    x, y, w, h = (row[name] for name in "xywh")
    return picture_of(row).crop((round(x), round(y), round(x + w), round(y + h)))


def show(axes, image, title):
    """An image without axes; its title is no formula, whatever it holds."""
    axes.imshow(image)
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.axis("off")


figure, axes = plt.subplots(figsize=(5, 5))
show(axes, picture_of(query), "the query in its picture")
corner, size = (query["x"], query["y"]), (query["w"], query["h"])
axes.add_patch(plt.Rectangle(corner, *size, fill=False, edgecolor="#d55e00", linewidth=2))
plt.show()

# %% [markdown]
# ## The reduction: `pca/model.npz`
#
# The file holds plain arrays. To reduce a vector: scale it to length 1, subtract the mean of all,
# project it on the principal components, divide each component by its standard deviation to the
# power `whiten_power` (0 leaves it, 1 makes all components count the same), and scale to length 1:
#
# $$v \;\to\; \frac{v}{|v|} - \mu \;\to\; W\left(\frac{v}{|v|} - \mu\right) \cdot \sigma^{-p}
# \;\to\; \text{length } 1$$

# %%
with np.load(run / "pca/model.npz") as file:
    model = {name: file[name] for name in file.files}
for name, array in model.items():
    print(f"{name:26} {array.shape if array.ndim else array}")


def shorten(vectors):
    """Full-length vectors [N, D] or [D] as the run reduces them, in the same order of steps."""
    kept = len(model["components"])
    deviation = np.sqrt(model["explained_variance"][:kept])
    deviation = np.maximum(deviation, deviation.max() * 1e-6)
    projected = (to_length_1(vectors) - model["mean"]) @ model["components"].T
    return to_length_1(projected * deviation ** -model["whiten_power"])


kept = len(model["components"])
share = model["explained_variance_ratio"][:kept].sum()
print(f"{kept} components hold {share:.1%} of the variance")

# %% [markdown]
# The run did this for every vector, in `reduced/*.parquet`. Ours agree, up to the rounding of
# 32-bit numbers.

# %%
reduced = read_shards("reduced")
vectors = np.stack(reduced["vector"])
assert (reduced["person_id"] == persons["person_id"]).all()

some = read_shards("embeddings", filters=[("person_id", "in", list(persons["person_id"][:200]))])
full = full_length(some)
assert np.allclose(shorten(full), vectors[: len(full)], atol=1e-5)

short_query = shorten(full_query)
if query["vector"] is None:
    query["vector"] = vectors[0]
assert np.allclose(short_query, query["vector"], atol=1e-5)
print("Shortened by hand: the same vectors.")

# %% [markdown]
# Why subtract the mean? After the last activation of the network hardly any value is negative, so
# all vectors point in similar directions and everybody resembles everybody. Without the mean they
# spread out.

# %%
pairs = np.triu_indices(len(full), k=1)
for name, some_vectors in (("as embedded", to_length_1(full)), ("shortened", shorten(full))):
    cosines = (some_vectors @ some_vectors.T)[pairs]
    if len(cosines):
        print(f"cosine of two persons, {name}: {cosines.mean():.2f} on average")

# %% [markdown]
# ## The search, by hand
#
# All vectors have length 1, so the cosine of two is their dot product. We compare the query with
# every person. Then we leave out whom the search leaves out: the query itself and, with the default
# settings, everybody else in its picture. Of each other picture we keep the most similar person.

# %%
cosines = np.einsum("nd,d->n", vectors.astype(float), np.asarray(query["vector"], dtype=float))


def full_cosines(rows):
    """Cosines of the query and of rows by their full-length vectors, without their mean."""
    ids = persons["person_id"].to_numpy()[rows]
    theirs = read_shards("embeddings", filters=[("person_id", "in", list(ids))])
    theirs = full_length(theirs.set_index("person_id").loc[ids])
    theirs = to_length_1(to_length_1(theirs) - model["mean"]).astype(float)
    one = to_length_1(to_length_1(full_query) - model["mean"]).astype(float)
    return np.einsum("nd,d->n", theirs, one)


def allowed(rows):
    """Rows that may be hits. For a picture of your own that is not in the set, no id is equal."""
    keep = persons["person_id"].to_numpy()[rows] != query["person_id"]
    if not search["same_image"]:
        keep &= persons["image_id"].to_numpy()[rows] != query["image_id"]
    rows = rows[keep]
    if search["exclude_near_duplicates"] and len(rows):
        rows = rows[full_cosines(rows) < search["near_duplicate"] - 1e-6]
    return rows


def by_cosine(rows):
    """Rows by falling cosine, equal ones in their own order."""
    rows = np.sort(np.asarray(rows, dtype=int))
    return rows[np.argsort(-cosines[rows], kind="stable")]


def within_limit(rows):
    """The rows without those that come after enough others of their picture."""
    of_picture = persons.iloc[rows].groupby("image_id").cumcount().to_numpy()
    return rows[of_picture < (search["hits_per_image"] or np.inf)]


def nearest(rows):
    """As many of the allowed rows as it takes to choose the hits from; None if these are too few.

    The limit for each picture must leave enough of them, and as many as are reranked must be there.
    """
    kept = within_limit(rows)
    if len(kept) < search["neighbours"] or len(rows) < search["rerank"]:
        return None
    last = list(rows).index(kept[search["neighbours"] - 1])
    return rows[: max(last + 1, search["rerank"])]


exact = allowed(by_cosine(np.arange(len(persons))))
exact = exact if nearest(exact) is None else nearest(exact)
best = within_limit(exact)[:10]
persons.iloc[best].assign(cosine=cosines[best])

# %% [markdown]
# ## Rerank
#
# With `search.rerank` the nearest persons are sorted again, by the cosine of their full-length
# vectors less the mean. Otherwise the nearest persons are the hits.


# %%
def reranked(rows):
    """The hits among the nearest rows."""
    if search["rerank"] and len(rows):
        rows = rows[np.argsort(-full_cosines(rows), kind="stable")]
    return within_limit(rows)[: search["neighbours"]]


by_hand = reranked(exact)
print(f"Reranked: {search['rerank']}." if search["rerank"] else "This run did not rerank.")

# %% [markdown]
# ## The same in the run: `search/hits.parquet`
#
# One row for each hit. The cosines must equal ours. The persons may differ if the index is
# approximate: then it missed somebody.

# %%
of_query = hits[hits["query"] == query["query"]].sort_values("rank", ignore_index=True)
row_of = pd.Series(persons.index, index=persons["person_id"])
found = row_of[of_query["person_id"]].to_numpy()
if queries:
    assert np.allclose(of_query["similarity"], cosines[found], atol=1e-6)
    agree = len(set(found) & set(by_hand))
    print(f"{agree} of the {len(by_hand)} found by hand are hits of the run; the cosines agree.")
else:
    print("No query, so no hits to compare with.")
of_query.head(10)

# %% [markdown]
# ## The index: `index/index.json` and the file it describes
#
# The file of Annoy does not say how to open it: with another dimension or metric it answers
# nonsense. `index.json` says it. It also has `search_k`, how far to search to reach the target
# recall, and the recall that was measured with it.

# %%
sidecar = json.loads((run / "index/index.json").read_text(encoding="utf-8"))
names = ("backend", "metric", "dimension", "n_items", "n_trees", "search_k", "recall")
print(json.dumps({name: sidecar[name] for name in names if name in sidecar}, indent=1))

# %% [markdown]
# Searched as the run does it, the index must give the same hits in the same order. We ask for one
# more than needed, because it finds the query too, and double the number until enough of them may
# be hits.


# %%
def from_annoy(forest):
    """The nearest rows that the forest finds, by falling cosine."""
    number = max(search["neighbours"], search["rerank"]) + 1
    while True:
        number = min(number, len(persons))
        effort = max(sidecar["search_k"], number * sidecar["n_trees"])
        near = forest.get_nns_by_vector(query["vector"], number, search_k=effort)
        rows = allowed(by_cosine(near))
        if nearest(rows) is not None:
            return nearest(rows)
        if number == len(persons):
            return rows
        number *= 2


suffix = {"annoy": "ann", "exact": "npy", "faiss": "faiss"}[sidecar["backend"]]
file = run / f"index/persons.{suffix}"
if sidecar["backend"] == "annoy":
    from annoy import AnnoyIndex

    forest = AnnoyIndex(sidecar["dimension"], sidecar["metric"])
    forest.load(str(file))
    by_index = reranked(from_annoy(forest))
    if queries:
        assert list(by_index) == list(found), "is `search` above the run's?"
        print(f"Annoy gives the run's {len(found)} hits, in the same order.")
    else:
        print(f"Annoy finds {len(set(by_index) & set(by_hand))} of {len(by_hand)} found by hand.")
elif sidecar["backend"] == "exact":
    print(f"This run compares all vectors: {file.name} is an array of them, and no forest.")
    assert np.array_equal(np.load(file), vectors)
    if queries:
        # Equally near ones may take each other's place.
        assert np.allclose(np.sort(cosines[by_hand]), np.sort(cosines[found]), atol=1e-6)
        print(f"The {len(found)} hits of the run are as near as those found by hand.")
else:
    print(f"This run's index is {sidecar['backend']}, so there is no forest to open here.")

# %% [markdown]
# ## The gallery
#
# The query and the first ten hits, with rank and cosine. If the run reranked, the cosine is that of
# the full-length vectors.

# %%
if queries:
    gallery = of_query
else:
    gallery = persons.iloc[by_hand].assign(similarity=cosines[by_hand], full_similarity=np.nan)
    gallery["rank"] = range(1, len(gallery) + 1)

figure, grid = plt.subplots(2, 6, figsize=(9, 5), layout="constrained")
for axes in grid.flat:
    axes.axis("off")
show(grid[0, 0], crop_of(query), "query")
places = [*grid[0, 1:], *grid[1, 1:]]
for place, hit in zip(places, gallery.head(10).to_dict("records"), strict=False):
    sorted_by = hit["similarity"] if pd.isna(hit["full_similarity"]) else hit["full_similarity"]
    show(place, crop_of(hit), f"{hit['rank']}: {sorted_by:.3f}")
plt.show()

# %% [markdown]
# ## All similarities of this query
#
# This shows how far the hits stand out. If their lines are apart at the right, the query has
# look-alikes. If they are within the bulk, the nearest persons are hardly more similar than others.

# %%
others = allowed(np.arange(len(persons)))
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.hist(cosines[others], bins=40, color="#0072b2", label="all who may be hits")
for number, row in enumerate(found if queries else by_hand):
    label = "the hits" if number == 0 else None
    axes.axvline(cosines[row], color="#d55e00", linewidth=1, label=label)
axes.set_xlabel("cosine to the query")
axes.set_ylabel("persons")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What to try next
#
# - Follow another query: `query = queries[1]` instead of `queries[0]`, then run the cells below.
# - Search for somebody you saw: `person_id` is in the report and in `persons`.
#   `snakemake search --cores all --config queries='{persons: [...]}'` makes this person a query.
# - Do not subtract the mean, or set `whiten_power` to 0 or 1, and reduce all embeddings again: who
#   comes first then?
# - Join `hits` with `manifest` on `image_id`: which pictures occur most often?
# - Cluster `vectors`, or draw your own map of them, with any library that reads NumPy arrays.
#
# `docs/design.md` has the columns of every file; the report, `report/index.html`, has the measures.
