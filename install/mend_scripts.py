"""Makes the commands of an environment start again after its folder was moved or copied.

    .venv/bin/python install/mend_scripts.py .venv

pip writes the path of the environment's Python into each command, as venv does into `activate`.
"""

import sys
import venv
from pathlib import Path

# As pip writes it where a path is long: Python takes the second and third line for a text.
HEADER = "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n"


def mend(folder: Path) -> None:
    """Write the folder's place into pyvenv.cfg, the `activate`s and the commands."""
    venv.create(folder, symlinks=True)
    header = HEADER.format(python=folder / "bin" / "python").encode()
    for command in (folder / "bin").iterdir():
        if command.is_symlink() or not command.is_file():
            continue
        content = command.read_bytes()
        lines = content.split(b"\n", 3)
        if lines[0].startswith(b"#!") and b"/bin/python" in lines[0]:
            rest = content[len(lines[0]) + 1 :]
        elif lines[0] == b"#!/bin/sh" and lines[1].startswith(b"'''exec' "):
            rest = lines[3]
        else:
            continue
        if content != header + rest:
            command.write_bytes(header + rest)


if __name__ == "__main__":
    mend(Path(sys.argv[1]).resolve())
