"""Which files of lib/ a notebook or module imports, directly and through others."""

import ast
from pathlib import Path

import nbformat

from lib.paths import ROOT


def modules(source: str) -> set[str]:
    """Dotted names below `lib` that a piece of Python imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name == "lib" or name.startswith("lib.")}


def files(name: str) -> set[Path]:
    """The file of a module, and the __init__.py of each package above it; nothing for a name that is no module."""
    path = ROOT.joinpath(*name.split("."))
    own = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    if not own.exists():
        return set()
    parents = {p / "__init__.py" for p in own.parents if p != ROOT and p.is_relative_to(ROOT)}
    return {own} | {p for p in parents if p.exists()}


def code(notebook: Path) -> str:
    """The Python of a notebook."""
    return "\n".join(c.source for c in nbformat.read(notebook, 4).cells if c.cell_type == "code")


LOADER = ROOT / "lib" / "models" / "encoder.py"  # imports lib/models/<architecture>.py by name


def closure(source: str, architecture: str) -> set[str]:
    """Paths, relative to the root, of all files of lib/ that running `source` with one architecture can import."""
    waiting, done = {f for name in modules(source) for f in files(name)}, set()
    while waiting:
        path = waiting.pop()
        done.add(path)
        names = modules(path.read_text()) | ({f"lib.models.{architecture}"} if path == LOADER else set())
        waiting |= {f for name in names for f in files(name)} - done
    return {str(p.relative_to(ROOT)) for p in done}
