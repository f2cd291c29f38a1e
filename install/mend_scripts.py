"""Makes the commands of an environment start again after its folder was moved or copied.

    .venv/bin/python install/mend_scripts.py .venv

pip writes the path of the environment's Python into each command, and venv into `activate`.
"""

import sys
import venv
from pathlib import Path

# pip's own way where a path is too long for a first line. To Python, two of the lines are a text.
HEADER = "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"


def mend(folder: Path) -> None:
    """Write where the folder is into the commands of pip's packages, pyvenv.cfg and `activate`."""
    python = folder / "bin" / "python"
    header = HEADER.format(python=python).encode()
    for command in (folder / "bin").iterdir():
        if command.is_symlink() or not command.is_file():
            continue
        first, *following = command.read_bytes().splitlines(keepends=True) or [b""]
        if first == b"#!/bin/sh\n" and following[0].startswith(b"'''exec' "):
            first, following = following[0], following[2:]
        by_python = first.startswith((b"#!", b"'''exec' ")) and b"/bin/python" in first
        if by_python and bytes(python) not in first:
            command.write_bytes(header + b"".join(following))
    settings = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
    sees_system = "include-system-site-packages = true" in settings
    venv.create(folder, system_site_packages=sees_system, symlinks=True)


if __name__ == "__main__":
    mend(Path(sys.argv[1]).resolve())
