"""What a job ran with: Python, the machine, and the packages that it loaded."""

import platform
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from visualsearch.core.packages import installed_versions

# The file in the folder of logs with what the main process notes of a run.
STARTED = "started.json"
# Packages whose modules have another name. To ask importlib.metadata for all takes 0.7 s.
PACKAGE_OF = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cuda": "cuda-bindings",
    "dateutil": "python-dateutil",
    "faiss": "faiss-cpu",
    "git": "gitpython",
    "mpl_toolkits": "matplotlib",
    "rpds": "rpds-py",
    "sklearn": "scikit-learn",
    "socks": "pysocks",
    "yaml": "pyyaml",
}
OWN = __name__.partition(".")[0]


def environment() -> dict[str, Any]:
    """Return versions of Python and of the loaded packages, the platform and its processors."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "gpu": gpu(),
        "packages": loaded_packages(name for name in sys.modules if sys.modules[name] is not None),
    }


def loaded_packages(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that these modules belong to, by package.

    modules: names as in sys.modules. Python's own modules and this library are left out.
    """
    top = {name for name in modules if "." not in name and not name.startswith("_")}
    packages = {
        PACKAGE_OF.get(module) or re.sub(r"[-_.]+", "-", module).lower()
        for module in top - sys.stdlib_module_names - {OWN}
    }
    return installed_versions(sorted(packages))


def processor() -> str:
    """Return the name of the processor as its maker gives it, or the kind of machine."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if named := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return named[1].strip()
    return platform.machine()


def gpu() -> str | None:
    """Return the name of the GPU that this process computes on, or None."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return str(torch.cuda.get_device_name())
