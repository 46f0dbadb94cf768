"""Strip notebooks, and run them with papermill so that the same run twice leaves the same bytes.

    python -m lib.notebook strip notebooks/20_kinetics.ipynb build/20_kinetics.ipynb
    python -m lib.notebook run build/20_kinetics.ipynb executed/kinetics_ala2.ipynb kinetics.ala2

Why a runner of our own and not the papermill command: papermill reads parameter files as YAML 1.1, in which 1e-3
is a string; only warns of a parameter that the notebook does not declare; and stores times and random ids.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat


KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")  # of an object in memory: another one in each run
PLACE = re.compile("|".join(re.escape(place) for place in (sys.prefix, os.getcwd())))  # another one on each machine


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Ordinal cell ids, no metadata but tags, kernel python3, no memory addresses, no absolute paths; in place."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{i:03d}"
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags" and v})
        if "outputs" in cell:
            cell.outputs = merged(cell.outputs)
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output["metadata"] = nbformat.from_dict({})
            for holder in (output, output.get("data", {})):
                for kind in ("text", "text/plain", "text/html"):
                    if kind in holder:
                        holder[kind] = PLACE.sub("…", ADDRESS.sub("0x…", holder[kind]))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def merged(outputs: list) -> list:
    """The outputs with consecutive pieces of one stream joined: how a kernel cuts its prints depends on timing."""
    joined = []
    for output in outputs:
        same = joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name
        if same:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def strip(source: Path, target: Path) -> None:
    """Write `source` without outputs to `target` (which may be the same file)."""
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(normalise(notebook), target)


def parameters(path: Path, key: str) -> dict:
    """The mapping under a dotted key of a params file; `run` is the last part of the key, results go to the root."""
    from ruamel.yaml import YAML  # YAML 1.2, as DVC reads it

    values = YAML(typ="safe").load(path)
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            raise SystemExit(f"{path} has no entry {key!r}: {part!r} is missing")
        values = values[part]
    return {"run": key.split(".")[-1], "folder": ".", **values}


def run(source: Path, target: Path, key: str, params: Path = Path("params.yaml")) -> None:
    """Execute `source` with the parameters under `key`; the executed notebook is written to `target`, and beside
    it as a web page that opens offline.

    Raises SystemExit when the parameters given and those declared in the notebook differ, or a cell fails.
    """
    import papermill

    from lib.show.pages import page
    from lib.spent import expected, noted

    given = parameters(params, key)
    declared = set(papermill.inspect_notebook(str(source)))
    if unknown := sorted(set(given) - declared):
        raise SystemExit(f"{params}:{key} gives {unknown}, which {source} does not declare; it has {sorted(declared)}")
    if missing := sorted(declared - set(given)):
        raise SystemExit(f"{params}:{key} lacks {missing}, which {source} declares")
    target.parent.mkdir(parents=True, exist_ok=True)
    # An interrupted or failed run must not leave an executed notebook that looks finished.
    partial = target.with_suffix(".partial.ipynb")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    if said := expected(key, given):
        print(f"{key} {said}", flush=True)
    try:
        with noted(key, given):
            notebook = papermill.execute_notebook(
                str(source),
                str(partial),
                parameters=given,
                kernel_name="python3",
                progress_bar={"desc": key, "unit": "cell", "mininterval": 30},
                log_output=True,
                extra_arguments=["--IPKernelApp.log_level=40"],  # or it warns of TCP, which here stays on this machine
            )
    except papermill.PapermillExecutionError as error:
        raise SystemExit(f"{source} with {key} failed in cell {error.exec_count}; see {partial}\n{error}") from None
    nbformat.write(normalise(notebook), target)
    target.with_suffix(".html").write_text(page(target))
    partial.unlink()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.notebook", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, action in (("strip", strip), ("run", run)):
        command = verbs.add_parser(verb)
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
        if verb == "run":
            command.add_argument("key", help="section.name in params.yaml")
        command.set_defaults(action=action)
    given = vars(parser.parse_args(arguments))
    action = given.pop("action")
    given.pop("verb")
    action(**given)


if __name__ == "__main__":
    main(sys.argv[1:])
