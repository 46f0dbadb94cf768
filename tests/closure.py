"""Which files of lib/ a notebook or module imports, directly and through others.

`make deps` writes them into dvc.yaml, as dependencies of the stage that runs the notebook.
"""

import ast
import re
from pathlib import Path

import nbformat
from ruamel.yaml import YAML

from lib.models.config import architectures
from lib.paths import NOTEBOOKS, ROOT


PLAIN = ("strip", "fetch")  # stages that run no notebook
PARAMETER = "${item.architecture}"  # stands for every architecture that is pre-trained


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


def notebook_of(stage: dict) -> Path:
    """The notebook that a stage of dvc.yaml runs."""
    return NOTEBOOKS / re.search(r"build/(\S+\.ipynb)", stage["do"]["cmd"])[1]


def needed(stage: dict, trained: set[str]) -> set[str]:
    """All files of lib/ that a stage depends on: with the pre-trained architectures, and with those that it names."""
    source = code(notebook_of(stage))
    named = {name for name in architectures() if re.search(rf'"{name}["_]', source)}  # or a published file's name
    return set().union(*(closure(source, name) for name in trained | named))


def given(stage: dict, trained: set[str]) -> set[str]:
    """The Python files that a stage lists as dependencies."""
    return {d.replace(PARAMETER, name) for d in stage["do"]["deps"] for name in trained if d.endswith(".py")}


def trained_architectures() -> set[str]:
    """Those that params.yaml pre-trains."""
    return {run["architecture"] for run in YAML(typ="safe").load(ROOT / "params.yaml")["pretrain"].values()}


def main() -> None:
    """Write the Python dependencies of every stage into dvc.yaml."""
    path, trained = ROOT / "dvc.yaml", trained_architectures()
    text = path.read_text()
    for name, stage in YAML(typ="safe").load(text)["stages"].items():
        if name in PLAIN:
            continue
        old = stage["do"]["deps"]
        own = [d for d in old if not d.endswith(".py") or PARAMETER in d]
        files = needed(stage, trained) - {d.replace(PARAMETER, each) for d in own for each in trained}
        new = [d for d in own if not d.startswith("lib/")] + sorted(files | {d for d in own if d.startswith("lib/")})
        block = lambda deps: "      deps:\n" + "".join(f"        - {d}\n" for d in deps)  # noqa: E731
        text = text.replace(block(old), block(new), 1)
    path.write_text(text)


if __name__ == "__main__":
    main()
