"""A package index in a folder, with small packages of the names that `make` installs.

setuptools is the real one, as it compiles; annoy is compiled from a source of its own.
"""

import hashlib
import io
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

ANNOY = """
#include <Python.h>
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "annoy"};
PyMODINIT_FUNC PyInit_annoy() { return PyModule_Create(&module); }
"""
SETUP = """
from setuptools import Extension, setup
setup(name="annoy", version="1.17.3", ext_modules=[Extension("annoy", ["annoy.cc"])])
"""


class Index:
    """Packages that pip finds with `--index-url` and this index's address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = (folder / "simple").as_uri()
        self.hashes: dict[str, str] = {}

    def add(self, name: str, file: str, content: bytes) -> None:
        """Offer a file as a package of this name."""
        page = self.folder / "simple" / name
        page.mkdir(parents=True, exist_ok=True)
        (page / file).write_bytes(content)
        with (page / "index.html").open("a") as html:
            html.write(f'<a href="{file}">{file}</a>\n')
        self.hashes[name] = hashlib.sha256(content).hexdigest()

    def add_wheel(self, name: str, version: str, requires: str = "", command: str = "") -> None:
        """Offer a package whose module holds its version. `command`: what its command runs."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        module = name.replace("-", "_")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        files = {
            f"{module}.py": f"version = {version!r}\ndef main():\n    {command or 'pass'}\n",
            f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
        if command:
            files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {module}:main\n"
        written = {path: text.encode() for path, text in files.items()}
        self.add(name, f"{module}-{version}-py3-none-any.whl", zipped(written))

    def add_setuptools(self) -> str:
        """Offer the setuptools that is installed here; return its version."""
        installed = distribution("setuptools")
        paths = [path for path in installed.files or [] if ".." not in path.parts]
        files = {str(path): path.read_binary() for path in paths if path.suffix != ".pyc"}
        name = f"setuptools-{installed.version}-py3-none-any.whl"
        self.add("setuptools", name, zipped(files))
        return installed.version

    def add_annoy(self) -> None:
        """Offer a source in C++ that has annoy's name and version."""
        buffer = io.BytesIO()
        metadata = "Metadata-Version: 2.1\nName: annoy\nVersion: 1.17.3\n"
        files = {"annoy.cc": ANNOY, "setup.py": SETUP, "PKG-INFO": metadata}
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(f"annoy-1.17.3/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        self.add("annoy", "annoy-1.17.3.tar.gz", buffer.getvalue())


def zipped(files: dict[str, bytes]) -> bytes:
    """The bytes of a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()
