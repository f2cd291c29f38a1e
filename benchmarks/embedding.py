"""Persons a second of the embedding stage against the plain loop, and what else that asks for.

The plain loop is what a user would write: one picture after another, one crop after another and
its mirror image through the backbone in fp32 with torch's default threads, pooled, rows gathered in
a list. Ours is the stage as the workflow runs it, from files on disk to rows written: a process of
one thread for each core, a shard each. The settings are the schema's defaults. All are timed once
they have loaded and seen the pictures; the rounds take turns, and the best of each counts.

The boxes are those that the bundled detector finds. Without --weights a detector of torchvision has
random weights: they cost what trained ones do, but the maps they give are all much alike, so that
what bf16 changes in the order of neighbours is better seen with the bundled detector, whose weights
are real.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from detection import (
    deal,
    plain_model,
    race,
    random_weights,
    ways_to_compute,
    write_pictures,
)
from measuring import machine, table
from numpy.typing import NDArray

from visualsearch.data.images import read_image
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import DETECTIONS, PERSONS, read_table, write_table
from visualsearch.data.vectors import vectors_of, with_full_length
from visualsearch.detect import describe, load_backbone, load_detector
from visualsearch.detect.run import detect_images
from visualsearch.embed.embedding import prepare
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings
from visualsearch.settings.names import BUNDLED

NEIGHBOURS = 10
# The plain loop pools the last map. Of the map before, the workflow only adds the pooling.
EMBEDDING = EmbeddingSettings(maps="last")


def find_persons(folder: Path, jobs: int) -> int:
    """Find persons, deal their pictures out to `jobs` shards, write the detections of each.

    Returns the number of persons that the search set takes.
    """
    from visualsearch.embed.persons import in_search_set

    detector = load_detector(DetectorSettings(BUNDLED, device="cpu"))
    manifest = folder / "manifest.parquet"
    rows = detect_images(detector, Pictures(manifest, None), "person", "find persons")
    found = pa.concat_tables(rows).cast(DETECTIONS)
    wanted = in_search_set(found["score"], found["h"], SearchSetSettings())
    images = read_table(manifest)
    in_image = found.filter(wanted)["image_id"].to_pylist()
    dealt = deal([in_image.count(i) for i in images["image_id"].to_pylist()], jobs)
    images = images.set_column(images.schema.get_field_index("shard"), "shard", pa.array(dealt))
    write_table(manifest, [images], images.schema)
    for shard in range(jobs):
        mine = images.filter(np.equal(dealt, shard))["image_id"]
        part = found.filter(pc.is_in(found["image_id"], mine))
        write_table(folder / f"found{shard}.parquet", [part], DETECTIONS)
    return len(in_image)


def plain_loop(name: str, weights: str, folder: Path, jobs: int) -> Callable[[], object]:
    """The network as it is published, and a loop over pictures and their boxes."""
    import torch

    from visualsearch.detect import DETECTORS, bundled, ssdlite
    from visualsearch.embed.crops import crop_boxes
    from visualsearch.embed.persons import corners_of, in_search_set

    settings = EMBEDDING
    body: Any
    mean: Any
    sd: Any
    if name == BUNDLED:
        body = ssdlite.load_ssdlite(DETECTORS[name].weights).backbone
        mean, sd, colour = 0.5, 0.5, tuple(round(255 * each) for each in bundled.MEAN)
    else:
        model = plain_model(name, weights)
        mean, sd = (
            torch.tensor(values).view(3, 1, 1)
            for values in (model.transform.image_mean, model.transform.image_std)
        )
        colour = tuple(round(255 * each) for each in model.transform.image_mean)

        def body(crops: Any) -> Any:
            return list(model.backbone.body(crops).values())[-1]

    found = [read_table(folder / f"found{shard}.parquet") for shard in range(jobs)]

    @torch.inference_mode()
    def run() -> None:
        vectors = []
        for shard, detections in enumerate(found):
            kept = in_search_set(detections["score"], detections["h"], SearchSetSettings())
            persons = detections.filter(kept)
            for picture in Pictures(folder / "manifest.parquet", None, shard):
                rows = persons.filter(np.equal(persons["image_id"], picture.image_id))
                if not len(rows):
                    continue
                image = read_image(picture.path).image
                for box in corners_of(rows):
                    crop = crop_boxes(image, box[None], settings.size, settings.fit, colour)
                    pixels = torch.from_numpy(crop).permute(0, 3, 1, 2) / 255
                    pixels = ((pixels - mean) / sd).contiguous()
                    vector = body(pixels).mean(dim=(2, 3))
                    if settings.mirrored:
                        vector = (vector + body(pixels.flip(-1)).mean(dim=(2, 3))) / 2
                    vectors.append(vector[0].numpy())
        np.save(folder / f"plain-{name}.npy", vectors)

    return run


def stage(
    settings: DetectorSettings, described: dict[str, Any], folder: Path, shard: int
) -> Callable[[], object]:
    """One job of the workflow's stage: its shard's pictures, and its table of vectors.

    described: the content of detector.json.
    """
    from visualsearch.embed.embedding import embed_items
    from visualsearch.embed.persons import persons_of, vector_lengths, with_vectors

    backbone = load_backbone(settings, described, folder)
    schema = with_full_length(PERSONS, vector_lengths(backbone.map_lengths, EMBEDDING))

    def run() -> None:
        persons = persons_of(
            Pictures(folder / "manifest.parquet", None, shard),
            read_table(folder / f"found{shard}.parquet"),
            SearchSetSettings(),
        )
        vectors = embed_items(backbone, persons, EMBEDDING, f"embed {shard}")
        rows = with_vectors(zip(persons, vectors, strict=True), schema)
        write_table(written(settings, folder, shard), rows, schema)

    return run


def written(settings: DetectorSettings, folder: Path, shard: int) -> Path:
    """The table of a shard's vectors."""
    return folder / f"{settings.name}-{settings.runtime}-{settings.precision}-{shard}.parquet"


def parity(plain: NDArray[Any], ours: NDArray[Any]) -> tuple[float, float, float]:
    """The median and the least cosine of a person's two vectors, and recall of its neighbours."""
    plain, ours = (vectors.astype(np.float64) for vectors in (plain, ours))

    def unit(vectors: NDArray[Any]) -> NDArray[Any]:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    cosines = (unit(plain) * unit(ours)).sum(axis=1)
    nearest, k = [], min(NEIGHBOURS, len(plain) - 1)
    for vectors in (plain, ours):
        # As the reduction does: without their mean, all cosines are near 1.
        centred = unit(unit(vectors) - unit(vectors).mean(axis=0))
        similar = centred @ centred.T
        np.fill_diagonal(similar, -1)
        nearest.append(np.argsort(-similar, axis=1)[:, :k])
    both = zip(*nearest, strict=True)
    shared = np.mean([len({*one} & {*other}) for one, other in both]) / k
    return float(np.median(cosines)), float(cosines.min()), float(shared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="fasterrcnn_resnet50_fpn")
    parser.add_argument("--weights", help="a file for it; random ones without")
    parser.add_argument("--images", type=Path, help="a folder; without it openpeople's pictures")
    parser.add_argument("--count", type=int, default=60, help="pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="16 pictures, 2 rounds")
    options = parser.parse_args()
    if options.quick:
        options.count, options.rounds = min(options.count, 16), min(options.rounds, 2)
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder, options.images, options.count, 1)
        persons = find_persons(folder, jobs)
        networks = {BUNDLED: "default"}
        if options.detector != BUNDLED:
            file = options.weights or random_weights(folder / "random.pth", options.detector)
            networks = {options.detector: file, **networks}
        print(machine("openvino", "torch", "torchvision", "pillow"))
        given = "given" if options.weights else "random"
        print(
            f"{options.count} pictures, {persons} persons, best of {options.rounds} rounds; "
            f"weights: {given}, and the bundled detector's own\n"
        )
        lines, compared = [], []
        for detector, file in networks.items():
            settings = {
                f"{runtime}, {precision}": DetectorSettings(
                    detector, file, "cpu", runtime, precision
                )
                for runtime, precision in ways_to_compute()
                if precision != "int8"  # which is for detection
            }
            contenders = {"plain loop": (plain_loop, [(detector, file, folder, jobs)])}
            for way, ours in settings.items():
                described = describe(ours)
                # Jobs that start together would each convert.
                prepare(load_backbone(ours, described, folder), EMBEDDING)
                shards = [(ours, described, folder, shard) for shard in range(jobs)]
                contenders[way] = (stage, shards)
            best, peaks = race(contenders, options.rounds)
            first = best["plain loop"]
            for name, seconds in best.items():
                rate = persons / seconds
                processes = len(contenders[name][1])
                ratio = f"{first / seconds:.2f}x"
                lines.append((f"{detector}: {name}", processes, rate, peaks[name], ratio))
            plain = np.load(folder / f"plain-{detector}.npy")
            for way, ours in settings.items():
                tables = [read_table(written(ours, folder, shard)) for shard in range(jobs)]
                vectors = np.concatenate([vectors_of(part) for part in tables])
                figures = [f"{value:.6f}" for value in parity(plain, vectors)]
                compared.append((f"{detector}: {way}", *figures))
        header = ("embedding", "processes", "persons/s", "peak MB each", "to the plain loop")
        print(table(header, lines))
        print()
        header = ("vectors against the plain loop's", "median cosine", "least", "recall@10")
        print(table(header, compared))


if __name__ == "__main__":
    main()
