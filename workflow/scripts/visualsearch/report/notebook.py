"""Runs a notebook that is stored as text (jupytext), and writes it with its outputs.

Snakemake's own directive `notebook:` (9.27) would not give the same bytes twice: it inserts a cell
with pickled parameters and paths of this machine, and keeps times and random ids. It also needs an
.ipynb as source, papermill or nbconvert, and shows a traceback if a cell fails.
"""

import logging
import os
import re
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_text

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode

log = logging.getLogger(__name__)

PACKAGES = ("jupytext", "nbclient", "ipykernel")
# The cell with this tag assigns the parameters, as with papermill.
PARAMETERS = "parameters"
# More threads may add numbers in another order and change the last digits.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Folders of the user's settings and start-up files, which the kernel must not read.
PRIVATE = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR")
# A socket's path may have about 100 characters; temporary folders of clusters may be longer.
LONGEST_FOLDER = 70
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def check_packages() -> None:
    """Raise InputError if a package that runs notebooks is missing, without importing any."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"the notebook needs {' and '.join(missing)}, not installed; "
            "run pip install -r requirements-notebook.txt"
        )


def run_notebook(text: str | Path, output: str | Path, parameters: Mapping[str, Any]) -> None:
    """Run a jupytext script and write it as an .ipynb with its outputs, atomically.

    parameters: replace the cell tagged "parameters", as assignments of their repr.

    Cells run in the folder of `output`, in this Python, and write nothing to the user's home.
    Times and random ids are dropped, so that the same inputs give the same bytes. If a cell fails,
    logs its traceback and raises InputError with the cell's number.
    """
    import jupytext
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    notebook = jupytext.read(text)
    _prepare(notebook, parameters)
    folder = Path(output).parent
    folder.mkdir(parents=True, exist_ok=True)
    short = len(tempfile.gettempdir()) <= LONGEST_FOLDER
    with tempfile.TemporaryDirectory(dir=None if short else "/tmp") as home:
        client = _client(notebook, folder, home)
        private = dict.fromkeys(PRIVATE, home)
        try:
            client.execute(env={**os.environ, **private, **ONE_THREAD})
        except CellExecutionError as error:
            log.info("%s", COLOUR.sub("", error.traceback))
            said = COLOUR.sub("", error.evalue).strip().splitlines()
            raise InputError(
                f"{text}, {_failed_cell(notebook)}: {': '.join([error.ename, *said[:1]])}; "
                "the log has the traceback"
            ) from error
        except DeadKernelError as error:
            raise InputError(
                f"{text}: Python ended while a cell ran ({error}); is there memory enough?"
            ) from error
    write_text(output, jupytext.writes(notebook, fmt="ipynb"))


def _prepare(notebook: "NotebookNode", parameters: Mapping[str, Any]) -> None:
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        if PARAMETERS in cell.metadata.get("tags", []):
            cell.source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }


def _client(notebook: "NotebookNode", folder: Path, home: str) -> "NotebookClient":
    from jupyter_client.kernelspec import KernelSpecManager
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    manager = client.create_kernel_manager()
    # With no folders to search, the kernel is ipykernel's in this Python. An installed kernel of
    # the same name may run another Python.
    manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[])
    # Sockets that only this user can open, not ports.
    manager.transport = "ipc"
    manager.connection_file = f"{home}/kernel.json"
    return client


def _failed_cell(notebook: "NotebookNode") -> str:
    """Return the number of the failed cell, and the heading above it."""
    heading, failed = "", "cell 1"
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            titles = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = titles[-1].lstrip("# ") if titles else heading
        elif any(output.output_type == "error" for output in cell.outputs):
            failed = f"cell {number}" + (f" ({heading})" if heading else "")
    return failed
