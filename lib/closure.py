"""Which files of lib/ a notebook or an encoder imports, directly and through others, each with its checksum.

    python -m lib.closure

writes `artifacts/closure/<notebook>.md5` for every stripped notebook and `<architecture>.md5` for every encoder, in the
format of md5sum. A stage of dvc.yaml depends on these two instead of fifty files: an edit runs again only what imports
the edited file.
"""

import ast
import functools
import hashlib
import re
import shutil
from pathlib import Path

import nbformat

from lib.models.config import architectures
from lib.paths import ARTIFACTS, ROOT


BUILD = ROOT / "build"  # notebooks without outputs, made by the strip stages
LOADER = ROOT / "lib" / "models" / "encoder.py"  # imports lib/models/<architecture>.py by name


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


@functools.cache
def imports(path: Path) -> set[str]:
    """Dotted names below `lib` that a file imports; each file is read once."""
    return modules(path.read_text())


def closure(source: str, encoders: set[str] = frozenset()) -> set[Path]:
    """All files of lib/ that running `source` can import, where its encoders are of the given architectures."""
    waiting, done = {f for name in modules(source) for f in files(name)}, set()
    while waiting:
        path = waiting.pop()
        done.add(path)
        names = imports(path) | ({f"lib.models.{e}" for e in encoders} if path == LOADER else set())
        waiting |= {f for name in names for f in files(name)} - done
    return done


def code(notebook: Path) -> str:
    """The Python of a notebook."""
    return "\n".join(c.source for c in nbformat.read(notebook, 4).cells if c.cell_type == "code")


def of_notebook(notebook: Path) -> set[Path]:
    """What a notebook imports, with the encoders that it names; those that its checkpoints need come from the stage."""
    source = code(notebook)
    named = {name for name in architectures() if re.search(rf'"{name}["_]', source)}  # or a published file's name
    return closure(source, named)


def checksums(paths: set[Path]) -> str:
    """One line a file, as md5sum prints them."""
    lines = [f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(ROOT)}\n" for p in sorted(paths)]
    return "".join(lines)


def main() -> None:
    target = ARTIFACTS / "closure"
    shutil.rmtree(target, ignore_errors=True)  # what no longer exists must not stay
    target.mkdir(parents=True)
    for notebook in BUILD.glob("*.ipynb"):
        (target / f"{notebook.stem}.md5").write_text(checksums(of_notebook(notebook)))
    for name in architectures():
        (target / f"{name}.md5").write_text(checksums(closure(f"import lib.models.{name}")))


if __name__ == "__main__":
    main()
