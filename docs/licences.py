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

Made by `make lock`, from what the packages' metadata and licence files state. The code of this
project is [MIT](../LICENSE).

## Weights

| weights | licence |
|---|---|
| `ssdlite_mobilenet_v2_person`, which comes along | MIT |
| torchvision's detectors, downloaded by a run that names one | none stated |

The first is MIT [as its package states](../resources/ssdlite_mobilenet_v2_person); on what pictures
it was trained, its author does not say. Of torchvision the code is BSD-3-Clause; its README says
that models may have terms derived from the data they were trained on, and that to find out is the
user's task. Its detectors were trained on COCO train2017, from backbones trained on ImageNet-1k.

## What runs in a browser

| package | version | licence |
|---|---|---|
| onnxruntime-web, which comes along | 1.30.0 | MIT |

Only explorers with `explorer.own_pictures` hold it, with its licence and those of what it is built
from. [Hashes, and where it comes from](../resources/onnxruntime_web).

## Pictures and annotations

| data | licence |
|---|---|
| COCO's annotations | CC BY 4.0 |
| COCO's pictures, minitrain's among them | each its own, which the report shows beside it |
| openpeople, the demo's pictures | MIT; generated, of nobody |

Most of COCO's pictures are not for commercial use.
"""

TAIL = """
The packages of NVIDIA come with torch on Linux, under NVIDIA's terms; a build of torch for CPUs
only does without them. `colorama` and `pyreadline3` come on Windows only, and
`cython` on Linux on aarch64 only. What
`requirements-faiss.txt`, `requirements-int8.txt`, `requirements-notebook.txt`,
`requirements-onnx.txt`, `requirements-rtdetr.txt` and `requirements-test.txt` add is not in the
lock. nncf, onnx, transformers and the weights of RT-DETR are Apache-2.0, faiss and onnxscript are
MIT."""


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
