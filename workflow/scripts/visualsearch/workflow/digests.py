"""Digests of scripts and the library modules they use: a rule runs again when its digest changes.

Snakemake notices an edit of a rule's script, but not of the modules that the script imports.
"""

import ast
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

LONG_AGO = 1_000_000_000  # in 2001
PACKAGE = Path(__file__).parents[1]
# Modules that scripts import but that cannot change a result.
WITHOUT_INFLUENCE = (
    "core/checksums.py",  # checks the inputs, and writes beside the outputs
    "core/environment.py",  # what a job ran with, for the report
    "core/errors.py",  # the type of errors that end a job
    "core/job.py",  # log files, signals and error messages
    "core/progress.py",  # progress bars and lines in the log
    # Descriptions, limits and defaults. The values that a rule uses are parameters of the rule.
    "settings/__init__.py",
    "settings/computing.py",
    "settings/configuration.py",
    "settings/dataset.py",
    "settings/declaring.py",
    "settings/showing.py",
)


def digest(script: Path) -> str:
    """Hex digest of what a script, the modules it uses and the templates beside them do.

    Comments, docstrings and formatting of Python code do not count; templates count as they are.
    """
    total = hashlib.sha256()
    modules = modules_of(script, WITHOUT_INFLUENCE)
    templates = {file for module in modules for file in module.parent.glob("templates/*")}
    for file in [script, *modules, *sorted(templates)]:
        name = file.relative_to(PACKAGE.parent).as_posix()
        meaning = _read(file).meaning if file.suffix == ".py" else file.read_bytes()
        total.update(name.encode() + b"\0" + meaning)
    return total.hexdigest()[:16]


def hide_times(scripts: Path) -> None:
    """Make all scripts look old, unless the user may not write them.

    Snakemake runs each job whose script is newer than its results, and in a fresh clone all are.
    Whether the code has changed is known by its digest.
    """
    for script in scripts.glob("*.py"):
        if script.stat().st_mtime != LONG_AGO:
            with suppress(OSError):
                os.utime(script, (LONG_AGO, LONG_AGO))


def modules_of(script: Path, without: Collection[str] = ()) -> list[Path]:
    """Modules of this package that a script imports, directly or through others.

    Imports inside functions count, but not those of a package that is only loaded on the way to one
    of its modules. without: modules to leave out, with what only they import.
    """
    found: set[Path] = set()
    waiting, seen = [(script, True)], set()
    while waiting:
        file, whole = waiting.pop()
        for name in imported_names(file, whole):
            for module in _modules(name):
                if module[0].relative_to(PACKAGE).as_posix() in without:
                    continue
                found.add(module[0])
                if module not in seen:
                    seen.add(module)
                    waiting.append(module)
    return sorted(found)


def imported_names(file: Path, whole: bool = True) -> frozenset[str]:
    """Dotted names that a module imports, without those that only type checkers import.

    whole: with the imports inside functions.
    """
    return _read(file).imports if whole else _read(file).imports_at_top


@cache
def _modules(name: str) -> list[tuple[Path, bool]]:
    """Modules that an import of a dotted name runs, each with whether its functions may be called.

    Importing a.b.c runs a, a.b and a.b.c; c is a module, or something that a.b defines.
    """
    parts = name.split(".")
    files: list[Path] = []
    if parts[0] == PACKAGE.name:
        for end in range(1, len(parts) + 1):
            path = PACKAGE.joinpath(*parts[1:end])
            tried = (path / "__init__.py", path.with_suffix(".py"))
            files += [file for file in tried if file.is_file()]
    return [(file, file == files[-1]) for file in files]


class _Module(NamedTuple):
    """What a module imports, anywhere and outside of functions, and what it does."""

    imports: frozenset[str]
    imports_at_top: frozenset[str]
    meaning: bytes


@cache
def _read(file: Path) -> _Module:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports, at_top = set(_imports(tree, True)), set(_imports(tree, False))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    # Without line numbers, and so without blank lines and comments.
    return _Module(frozenset(imports), frozenset(at_top), ast.dump(tree).encode())


def _imports(tree: ast.Module, whole: bool) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if whole or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # Imports are statements, and an expression holds none.
            inner = ast.iter_child_nodes(node)
            waiting.extend(child for child in inner if not isinstance(child, ast.expr))
