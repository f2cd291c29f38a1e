"""Which library modules a script uses, so that the workflow reruns a rule when one of them changes.

Snakemake notices an edit of a rule's script and not of the modules it imports.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def modules_of(script: Path) -> list[Path]:
    """Files of this package that `script` imports, directly or not, at its top or in a function."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imported(waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return sorted(found)


def digest(script: Path) -> str:
    """Hex digest of a script, all modules it uses, and the templates beside them.

    Snakemake compares a script's time, which says nothing where the workflow comes from git.
    """
    total = hashlib.sha256()
    modules = modules_of(script)
    templates = {file for module in modules for file in module.parent.glob("templates/*")}
    for file in [script, *modules, *sorted(templates)]:
        name = file.relative_to(PACKAGE.parent).as_posix()
        total.update(name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]


def imported_names(file: Path) -> set[str]:
    """Dotted names that a module imports, but for those that only type checkers import."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting.extend(ast.iter_child_nodes(node))
    return names


@cache
def _imported(file: Path) -> frozenset[Path]:
    files: set[Path] = set()
    for name in imported_names(file):
        parts = name.split(".")
        if parts[0] == PACKAGE.name:
            # Importing a.b.c runs a, a.b and a.b.c.
            for end in range(1, len(parts) + 1):
                path = PACKAGE.joinpath(*parts[1:end])
                tried = (path / "__init__.py", path.with_suffix(".py"))
                files.update(p for p in tried if p.is_file())
    return frozenset(files)
