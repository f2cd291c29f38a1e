"""Images a second of the detection stage, against the plain loop over torchvision's model.

The plain loop is what a user would write: open, to a tensor, model, one picture after another, in
fp32 with torch's default threads. Ours is the stage as the workflow runs it, from files on disk to
rows written: on CPUs a process of one thread for each core, on a GPU one process with batches. Both
are timed once all models are loaded and have seen the pictures; the best of the rounds counts, and
the rounds of both take turns. Without --weights the network has random ones, which cost what
trained ones do, except for how many boxes are left to sort out. int8, where its package is, is
calibrated on three pictures: that costs accuracy and no time. --parts shows where the time goes.
What bf16 changes in the results, `snakemake parity` measures in a run.
"""

import argparse
import contextlib
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
from measuring import machine, table

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.files import sha256_file
from visualsearch.data.images import read_image
from visualsearch.data.tables import write_table
from visualsearch.detect import DETECTORS, load_detector
from visualsearch.detect.torchvision_models import build_model
from visualsearch.detect.weights import load_weights
from visualsearch.fetch import openpeople
from visualsearch.fetch.walk import pictures_in
from visualsearch.settings import DatasetSettings, DetectorSettings

CATEGORIES = 91
CALIBRATE = 3
Maker = Callable[..., Callable[[], object]]


def plain_model(name: str, weights: str) -> Any:
    """The model as torchvision builds it, with its weights."""
    model = build_model(DetectorSettings(name), DETECTORS[name], CATEGORIES).eval()
    load_weights(model, Path(weights), name)
    return model


def plain_loop(name: str, weights: str, device: str, files: list[Path]) -> Callable[[], object]:
    """The plain model, and a loop over the pictures."""
    import torch
    from PIL import Image
    from torchvision.transforms.functional import to_tensor

    model = plain_model(name, weights).to(device)

    def run() -> list[Any]:
        rows = []
        with torch.inference_mode():
            for file in files:
                image = to_tensor(Image.open(file).convert("RGB")).to(device)
                found = model([image])[0]
                rows += zip(found["boxes"].tolist(), found["scores"].tolist(), strict=True)
        return rows

    return run


def stage(settings: DetectorSettings, manifest: Path, shard: int) -> Callable[[], object]:
    """One job of the workflow's stage: its shard's pictures, and its table of rows."""
    from visualsearch.data.pictures import Pictures
    from visualsearch.data.tables import DETECTIONS
    from visualsearch.detect.run import detect_images

    detector = load_detector(settings, manifest.parent, calibration_sample(manifest.parent))
    pictures = Pictures(manifest, None, shard)

    def run() -> int:
        rows = detect_images(detector, pictures, "person", f"detect {shard}")
        return write_table(manifest.with_name(f"rows{shard}.parquet"), rows, DETECTIONS)

    return run


def calibration_sample(folder: Path) -> Any:
    """The pictures by which networks in int8 are calibrated."""
    from visualsearch.detect.calibration import Sample

    return Sample(folder / "calibration.parquet", None)


def serve(
    make: Callable[..., Callable[[], object]], args: tuple[Any, ...], end: Connection
) -> None:
    """In a process of its own: load, see the pictures once, then run whenever asked."""
    run = make(*args)
    run()
    end.send(None)
    while end.recv():
        run()
        # Not ru_maxrss, which starts with that of the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        end.send(int(status["VmHWM"].split()[0]) / 1024)


@contextlib.contextmanager
def contender(
    make: Maker, jobs: list[tuple[Any, ...]]
) -> Iterator[Callable[[], tuple[float, float]]]:
    """Processes that wait to run `make(*job)()` together: gives seconds and the largest's MB."""
    context = multiprocessing.get_context("spawn")
    ends = []
    for job in jobs:
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(make, job, theirs), daemon=True).start()
        theirs.close()  # so that a process that dies is noticed
        ends.append(ours)
    for end in ends:
        end.recv()

    def run() -> tuple[float, float]:
        start = time.perf_counter()
        for end in ends:
            end.send(True)
        peaks = [end.recv() for end in ends]
        return time.perf_counter() - start, max(peaks)

    yield run
    for end in ends:
        end.send(False)


def race(
    contenders: dict[str, tuple[Maker, list[tuple[Any, ...]]]], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Run all in turns: the least seconds of each, and the MB of its largest process."""
    best: dict[str, float] = {}
    peaks: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(contender(*which)) for name, which in contenders.items()
        }
        for _ in range(rounds):
            for name, run in running.items():
                seconds, peaks[name] = run()
                best[name] = min(seconds, best.get(name, seconds))
    return best, peaks


def random_weights(path: Path, name: str) -> str:
    """Weights of the right shape: seeded, and tame enough for finite maps."""
    import torch

    torch.manual_seed(0)
    state = build_model(DetectorSettings(name), DETECTORS[name], CATEGORIES).state_dict()
    for key, value in state.items():
        if key.endswith("running_var"):
            value.uniform_(2, 3)
    torch.save(state, path)
    return str(path)


def deal(work: Sequence[int], shards: int) -> list[int]:
    """The shard of each picture, by its work: there and back again from the most to the least."""
    order = sorted(range(len(work)), key=lambda number: -work[number])
    there_and_back = [*range(shards), *reversed(range(shards))]
    shard_of = {number: there_and_back[i % (2 * shards)] for i, number in enumerate(order)}
    return [shard_of[number] for number in range(len(work))]


def write_pictures(folder: Path, images: Path | None, count: int, shards: int) -> list[Path]:
    """Pictures in folder/images and the manifest of as many shards beside it; the files.

    Those of openpeople are scaled to the 640 pixels of COCO's. Few pictures are dealt out by their
    size, so that shards are as even as those of thousands.
    """
    root = folder / "images"
    root.mkdir()
    if images is None:
        settings = DatasetSettings("openpeople", max_images=count)
        listed = openpeople.list_images(settings, folder).images
        names = [image.file for image in listed]
        for _ in openpeople.fetch(listed, root, settings, {}):
            pass
        for name in names:
            image = read_image(root / name).image
            image.thumbnail((640, 640))
            image.save(root / name, quality=95)
    else:
        names = pictures_in(images)[:count]
        root.rmdir()
        root.symlink_to(images.resolve())
    sizes = [read_image(root / name).size for name in names]
    dealt = deal([width * height for width, height in sizes], shards)
    rows = [
        {"image_id": number, "file": name, "width": width, "height": height, "shard": shard}
        | {"sha256": sha256_file(root / name)}
        for number, (name, (width, height), shard) in enumerate(
            zip(names, sizes, dealt, strict=True)
        )
    ]
    manifest = pa.Table.from_pylist(rows)
    write_table(folder / "manifest.parquet", [manifest], manifest.schema)
    few = manifest.slice(0, CALIBRATE)
    write_table(folder / "calibration.parquet", [few], few.schema)
    return [root / name for name in names]


PARTS = {
    "backbone, pyramid and head": ("backbone", "rpn.head", "head"),
    "RoIAlign": ("roi_heads.box_roi_pool",),
    "box head": ("roi_heads.box_head",),
    "the whole": ("",),
}


def ways_to_compute() -> list[tuple[str, str]]:
    """Each detector.runtime and detector.precision that this processor has, int8 last."""
    from visualsearch.detect.networks import has_bf16

    precisions = ["fp32", "bf16"] if has_bf16() else ["fp32"]
    ways = [(runtime, each) for each in precisions for runtime in ("torch", "openvino")]
    return ways + [("openvino", "int8")] * (find_spec("nncf") is not None)


class Clock:
    """The least time of the processor that a module takes for its forward pass."""

    def __init__(self, module: Any) -> None:
        self.least = math.inf
        module.register_forward_pre_hook(self.start)
        module.register_forward_hook(self.end)

    def start(self, *_: object) -> None:
        self.started = time.process_time()

    def end(self, *_: object) -> None:
        self.least = min(self.least, time.process_time() - self.started)


def parts(name: str, weights: str, folder: Path) -> str:
    """Seconds of one core that each part of a network takes for a picture of 640 x 480."""
    import torch

    torch.set_num_threads(1)
    models = {"plain": plain_model(name, weights)}
    for runtime, precision in ways_to_compute():
        detector: Any = load_detector(
            DetectorSettings(name, weights, "cpu", runtime, precision),
            folder,
            calibration_sample(folder),
        )
        models[f"{runtime} {precision}"] = detector.model
    lines: dict[str, list[float]] = {}
    for model in models.values():
        known = dict(model.named_modules())
        clocks = {
            part: [Clock(known[path]) for path in paths if path in known]
            for part, paths in PARTS.items()
        }
        with torch.inference_mode():
            for _ in range(4):
                model([torch.rand(3, 480, 640)])
        for part, of_part in clocks.items():
            if of_part:
                lines.setdefault(part, []).append(sum(clock.least for clock in of_part))
    rows = [(part, *least, f"{least[0] / least[-1]:.2f}x") for part, least in lines.items()]
    return table(("seconds of one core", *models, "plain / last"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="fasterrcnn_resnet50_fpn")
    parser.add_argument("--weights", help="a file; random ones without")
    parser.add_argument("--images", type=Path, help="a folder; without it openpeople's pictures")
    parser.add_argument("--count", type=int, default=24, help="pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--parts", action="store_true", help="what each part of the network takes")
    parser.add_argument("--quick", action="store_true", help="2 pictures, OpenVINO only")
    options = parser.parse_args()
    if options.quick:
        options.count = 2
    jobs = len(os.sched_getaffinity(0)) if options.device == "cpu" else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_pictures(folder, options.images, options.count, jobs)
        weights = options.weights or random_weights(folder / "random.pth", options.detector)
        plain = (options.detector, weights, options.device, files)
        contenders = {"plain loop, fp32": (plain_loop, [plain])}
        ways = ways_to_compute()
        if options.quick:
            ways = [way for way in ways if way[0] == "openvino"]
        if options.device == "cuda":
            ways = [("torch", "fp32"), ("torch", "auto")]
        for runtime, precision in ways:
            settings = DetectorSettings(
                options.detector, weights, options.device, runtime, precision
            )
            if runtime == "openvino":
                # Jobs that start together would each convert.
                load_detector(settings, folder, calibration_sample(folder))
            shards = [(settings, folder / "manifest.parquet", shard) for shard in range(jobs)]
            contenders[f"stage, {runtime}, {precision}"] = (stage, shards)
        best, peaks = race(contenders, options.rounds)
        print(machine("openvino", "torch", "torchvision"))
        print(
            f"{options.detector}, {'random' if not options.weights else 'given'} weights, "
            f"{len(files)} pictures, {options.device}, best of {options.rounds} rounds"
        )
        first = best["plain loop, fp32"]
        header = ("detection", "processes", "s an image", "images/s", "peak MB each", "ratio")
        lines = [
            (
                name,
                len(contenders[name][1]),
                seconds / len(files),
                len(files) / seconds,
                peaks[name],
                f"{first / seconds:.2f}x",
            )
            for name, seconds in best.items()
        ]
        print(table(header, lines))
        if options.parts:
            print()
            print(parts(options.detector, weights, folder))


if __name__ == "__main__":
    main()
