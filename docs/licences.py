"""Write the table of licences, of all that requirements-lock.txt names, to standard output.

`make lock` runs it, in the environment that is installed from the lock: licences are those that the
packages' own metadata state.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# What an SPDX expression looks like; "BSD" alone says too little to be one.
SPDX = re.compile(r"(?!BSD$)[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*")
# Other words for one licence, in the metadata's field or its classifiers.
WORDS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "FreeBSD": "BSD-2-Clause",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}
# Read in the package's own licence file, as its metadata has no name or several of one licence.
READ = {
    "colorama": "BSD-3-Clause",
    "conda-inject": "MIT",
    "contourpy": "BSD-3-Clause",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary (names other packages, holds nothing)",
    "cycler": "BSD-3-Clause",
    "cython": "Apache-2.0",
    "docutils": "public domain, parts BSD-2-Clause, 0BSD, PSF-2.0 and GPL-3.0-or-later",
    "gitdb": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "Matplotlib's own, based on PSF-2.0",
    "mpmath": "BSD-3-Clause",
    "nbformat": "BSD-3-Clause",
    "packaging": "Apache-2.0 OR BSD-2-Clause",
    "pillow-heif": "BSD-3-Clause; its wheels hold x265 (GPL-2.0), libheif and libde265 (LGPL-3.0)",
    "pyreadline3": "BSD-3-Clause",
    "pysocks": "BSD-3-Clause",
    "python-dateutil": "BSD-3-Clause, later contributions also Apache-2.0",
    "scipy": "BSD-3-Clause",
    "snakemake-interface-common": "MIT",
    "snakemake-interface-logger-plugins": "MIT",
    "snakemake-interface-report-plugins": "MIT",
    "snakemake-interface-scheduler-plugins": "MIT",
    "snakemake-interface-storage-plugins": "MIT",
    "sympy": "BSD-3-Clause",
    "torchvision": "BSD-3-Clause",
    "traitlets": "BSD-3-Clause",
}


def locked() -> dict[str, list[str]]:
    """The versions of each package of the lock; two where one is for another Python."""
    versions: dict[str, list[str]] = {}
    for line in (ROOT / "requirements-lock.txt").read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\"))
            name = canonicalize_name(requirement.name)
            versions.setdefault(name, []).append(str(requirement.specifier).removeprefix("=="))
    return versions


def named() -> set[str]:
    """The packages that requirements.txt names."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line[:1].isalnum()}


def license_of(package: str) -> str:
    """The package's licence, as SPDX has it where that is known."""
    if package in READ:
        return READ[package]
    try:
        stated = metadata(package)
    except PackageNotFoundError:
        sys.exit(f"{package} is not installed; state its licence in {__file__}")
    words = [stated["License-Expression"], stated["License"], *stated.get_all("Classifier", [])]
    for word in filter(None, words):
        if word in WORDS or SPDX.fullmatch(word):
            return WORDS.get(word, word)
    sys.exit(f"{package} states no licence; read it, and state it in {__file__}")


HEAD = """\
# Licences

`make lock` makes this page from the packages' metadata and licence files. The code of this project
is [MIT](../LICENSE).

## Weights

| weights | licence |
|---|---|
| `ssdlite_mobilenet_v2_person`, part of this repository | MIT |
| torchvision's detectors, downloaded by a run that names one | none stated |
| RT-DETR, downloaded by a run that names it | Apache-2.0 |

The first is MIT [as its package states](../resources/ssdlite_mobilenet_v2_person); its author does
not say on what pictures it was trained. torchvision's code is BSD-3-Clause. Its README says that
models may have terms derived from their training data, and that users must find these out. Its
detectors were trained on COCO train2017, their backbones on ImageNet-1k.

## What runs in a browser

| package | version | licence |
|---|---|---|
| onnxruntime-web, which comes along | 1.30.0 | MIT |

It is part of explorers made with `explorer.own_pictures`, with its licence and those of what it is
built from. [Hashes and origin](../resources/onnxruntime_web).

## Pictures and annotations

| data | licence |
|---|---|
| COCO's annotations | CC BY 4.0 |
| COCO's pictures, also in minitrain | each its own; most forbid commercial use |
| openpeople, the demo's pictures | MIT; generated, of nobody |
"""

TAIL = """
NVIDIA's packages come with torch on Linux, under NVIDIA's terms; builds of torch for CPUs only do
without them. `colorama` and `pyreadline3` are for Windows only, `cython` for Linux on aarch64 only.

The lock does not hold what the optional files add: `requirements-faiss.txt` (faiss: MIT),
`requirements-int8.txt` (nncf: Apache-2.0), `requirements-onnx.txt` (onnx: Apache-2.0, onnxscript:
MIT), `requirements-rtdetr.txt` (transformers: Apache-2.0), `requirements-notebook.txt` and
`requirements-test.txt`."""


def table(title: str, packages: dict[str, list[str]]) -> str:
    """A section with a row for each package."""
    head = ["", f"## {title}", "", "| package | version | licence |", "|---|---|---|"]
    rows = [f"| {p} | {', '.join(v)} | {license_of(p)} |" for p, v in sorted(packages.items())]
    return "\n".join(head + rows)


def main() -> None:
    versions = locked()
    direct = {package: versions.pop(package) for package in named()}
    print(HEAD, end="")
    print(table("Packages named in requirements.txt", direct))
    print(table("Packages that these bring along", versions))
    print(TAIL)


if __name__ == "__main__":
    main()
