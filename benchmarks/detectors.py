"""Arithmetic and seconds a picture of several detectors, beside Faster R-CNN's, in one run.

Arithmetic is counted in torch's own operators (FlopCounterMode, products and sums) for a picture of
640 x 480, in the network as its library builds it. Seconds are of the detection stage as the
workflow runs it, from files on disk to rows written: on CPUs a process of one thread for each core,
on a GPU one process with batches. The detectors take turns; the best of the rounds counts. The
weights are random, which costs what trained ones cost, except for how many boxes are left to sort.
"""

import argparse
import os
import shutil
import sys
import tempfile
from itertools import product
from pathlib import Path

from detection import (
    calibration_sample,
    race,
    random_weights,
    stage,
    ways_to_compute,
    write_pictures,
)
from measuring import machine, table

from visualsearch.detect import DETECTORS, RTDetrEntry, check_detector, load_detector
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED, RTDETR

FIRST = "fasterrcnn_resnet50_fpn"
PICTURE = (480, 640)


def random_file(folder: Path, name: str) -> str:
    """Random weights of a detector, or "default" for the bundled one's own."""
    if name == BUNDLED:
        return "default"
    if not isinstance(DETECTORS[name], RTDetrEntry):
        return random_weights(folder / f"{name}.pth", name)
    import torch
    from safetensors.torch import save_file

    from visualsearch.detect.rtdetr import build_model, published_names

    torch.manual_seed(0)
    path = folder / f"{name}.safetensors"
    tensors = published_names(build_model())
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return str(path)


def gigaflops(name: str) -> float:
    """Operations for one picture of PICTURE, in the network as its library builds it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    if name == BUNDLED:
        from visualsearch.detect import ssdlite

        model = ssdlite.SSDLiteMobileNetV2().eval()
        given: object = torch.rand(1, 3, ssdlite.INPUT_SIZE, ssdlite.INPUT_SIZE)
    elif name == RTDETR:
        from visualsearch.detect import rtdetr

        model = rtdetr.build_model()
        given = torch.rand(1, 3, rtdetr.SIDE, rtdetr.SIDE)
    else:
        from detection import CATEGORIES

        from visualsearch.detect.torchvision_models import build_model

        model = build_model(DetectorSettings(name), DETECTORS[name], CATEGORIES).eval()
        given = [torch.rand(3, *PICTURE)]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(given)
    return counter.get_total_flops() / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", nargs="+", default=[FIRST, RTDETR], choices=DETECTORS)
    parser.add_argument("--images", type=Path, help="a folder; without it openpeople's pictures")
    parser.add_argument("--count", type=int, default=24, help="pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", nargs="+", help="all that the machine has if not given")
    parser.add_argument("--runtime", nargs="+", default=["torch", "openvino"])
    parser.add_argument("--quick", action="store_true", help="6 pictures, 1 round")
    options = parser.parse_args()
    if options.quick:
        options.count, options.rounds = 6, 1
    if FIRST not in options.detectors:
        options.detectors.insert(0, FIRST)
    for name in options.detectors:
        check_detector(name)
    jobs = len(os.sched_getaffinity(0)) if options.device == "cpu" else 1
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "run").mkdir()
        files = write_pictures(folder / "run", options.images, options.count, jobs)
        ways = [("torch", "fp32"), ("torch", "auto")]
        if options.device == "cpu":
            ways = [way for way in ways_to_compute() if way[0] in options.runtime]
        if options.precision:
            ways = list(product(dict(ways), options.precision))
        contenders = {}
        for name in options.detectors:
            file = random_file(folder, name)
            # Of its own, as a run keeps the converted networks of one detector.
            own = shutil.copytree(folder / "run", folder / name, symlinks=True)
            for runtime, precision in ways:
                if (name, precision) == (RTDETR, "int8"):
                    continue
                settings = DetectorSettings(name, file, options.device, runtime, precision)
                if runtime == "openvino":
                    # Jobs that start together would each convert.
                    load_detector(settings, own, calibration_sample(own))
                shards = [(settings, own / "manifest.parquet", shard) for shard in range(jobs)]
                contenders[name, runtime, precision] = (stage, shards)
        best, peaks = race(contenders, options.rounds)
        print(machine("openvino", "torch", "torchvision", "transformers"))
        print(
            f"{len(files)} pictures, {options.device}, {jobs} processes, "
            f"best of {options.rounds} rounds, random weights"
        )
        counted = {name: gigaflops(name) for name in options.detectors}
        lines = [
            (
                name,
                runtime,
                precision,
                counted[name],
                f"{counted[FIRST] / counted[name]:.2f}x",
                seconds / len(files),
                peaks[name, runtime, precision],
                f"{best[FIRST, runtime, precision] / seconds:.2f}x",
            )
            for (name, runtime, precision), seconds in best.items()
        ]
        header = ("detector", "by", "in", "GFLOP", "less", "s an image", "peak MB each", "faster")
        print(table(header, lines))


if __name__ == "__main__":
    sys.exit(main())
