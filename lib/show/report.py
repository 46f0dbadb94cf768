"""The report: one HTML file that needs no network, from claims, metrics, figures and data cards.

Whatever has not run yet is said to be so; the same inputs give the same bytes.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html
from PIL import Image

from lib.paths import ROOT
from lib.show import claims, models, pages, tables, verdicts
from lib.show.beside import beside


WIDE = 2.2  # width over height of a picture from which half a page is too narrow for it


def build(root: Path = ROOT, folder: str = ".") -> Path:
    """Write artifacts/report/index.html below root / folder and return its path.

    Reads claims.yaml, build/, metrics/, artifacts/figures/, artifacts/checkpoints/ and data/*/card.json below `root`;
    all but the first may be absent. A run that left metrics also left executed/<stage>_<run>.html, to which the report
    links. Raises ValueError for claims or metrics that are not as they should be.
    """
    root = Path(root)
    out = root / folder / "artifacts" / "report"
    records = verdicts.verdicts(claims.load(root / "claims.yaml"), root / "metrics")
    link = Links(root, out)
    rows = [claim_row(record, link) for record in records]
    judged = [row for row in rows if row["judged"]]
    html = (
        pages.templates()
        .get_template("report.html.j2")
        .render(
            n=len(records),
            tally=[
                {"verdict": name, "n": n, "mark": tables.MARK[name], "css": name.replace(" ", "-")}
                for name, n in verdicts.counts(records).items()
            ],
            papers=papers(rows),
            judged=judged,
            asked=[row for row in judged if row["question"]],
            stages=[stage(root, number, name, link) for number, name in stages(root, records)],
            models=markdown2html(models.markdown(root)),
            cards=[card(path) for path in sorted((root / "data").glob("*/card.json"))],
            prose=prose(),
            planned=planned(rows),
            published=[row for row in rows if row["id"].split("-")[1][0] in "FTR"],
            spent=spent(root),
        )
    )
    out.mkdir(parents=True, exist_ok=True)
    partial = out / "index.tmp"
    partial.write_text(html, encoding="utf-8")
    os.replace(partial, out / "index.html")
    return out / "index.html"


@dataclass(frozen=True)
class Links:
    """From the report in `out` to the executed notebooks below `root`."""

    root: Path
    out: Path

    def executed(self, metrics: str) -> str | None:
        """Link to the executed notebook of a metrics file such as kinetics/ala2.json; None where it has not run."""
        if not (self.root / "metrics" / metrics).is_file():
            return None
        page = self.root / "executed" / f"{metrics.removesuffix('.json').replace('/', '_')}.html"
        return Path(os.path.relpath(page, self.out)).as_posix()


def claim_row(record: verdicts.Verdict, link: Links) -> dict:
    """One row of a claims table, as text."""
    claim = record.claim
    return {
        "id": claim.id,
        "of": claim.paper,
        "statement": claim.statement,
        "question": claim.question,
        "source": claim.source,
        "note": claim.note,
        "paper": tables.papers_value(claim),
        "ours": tables.number(record.ours),
        "picture": beside(record),
        "verdict": record.verdict,
        "judged": record.verdict in verdicts.JUDGED,
        "mark": tables.MARK[record.verdict],
        "css": record.verdict.replace(" ", "-"),
        "why": tables.why(record),
        "notebook": claim.notebook,
        "page": link.executed(claim.metric.partition(":")[0]) if claim.metric else None,
        "run": claim.metric.partition(".json:")[0].replace("/", "-") if record.ours else None,
    }


def papers(rows: list[dict]) -> list[dict]:
    """The three papers, each with its number of entries, of judged ones, and the rows of the others."""
    found = []
    for name, (arxiv, text) in claims.PAPERS.items():
        of = [row for row in rows if row["of"] == name]
        waiting = [row for row in of if not row["judged"]]
        found.append({"id": name, "arxiv": arxiv, "title": text, "n": len(of), "open": waiting})
        found[-1]["judged"] = len(of) - len(waiting)
    return found


def planned(rows: list[dict]) -> list[dict]:
    """Claims that wait, grouped by notebook and status."""
    groups: dict[tuple, list[str]] = {}
    for row in rows:
        if not row["judged"]:
            groups.setdefault((row["notebook"], row["verdict"]), []).append(row["id"])
    return [{"notebook": book, "verdict": verdict, "ids": ids} for (book, verdict), ids in sorted(groups.items())]


def stages(root: Path, records: list[verdicts.Verdict]) -> list[tuple[str, str]]:
    """Number and name of every stage with a notebook, a metric or a claim, in the order of the notebooks."""
    names = {
        path.stem.partition("_")[2]: path.stem.partition("_")[0] for path in (root / "build").glob("[1-8][0-9]_*.ipynb")
    }
    for record in records:
        if record.claim.stage:
            names.setdefault(record.claim.stage, record.claim.notebook.partition("_")[0])
    for path in (root / "metrics").glob("*/*.json"):
        names.setdefault(path.parent.name, "99")
    return sorted((number, name) for name, number in names.items())


def stage(root: Path, number: str, name: str, link: Links) -> dict:
    """Title, introduction and runs of one stage, each run with what is there of figures and metrics."""
    notebook = root / "build" / f"{number}_{name}.ipynb"
    cell = first_text(notebook) if notebook.is_file() else f"# {name.capitalize()}"
    heading, _, rest = cell.strip().partition("\n")
    folders = (root / "artifacts" / "figures").glob(f"{name}_*")
    figures = {path.name.removeprefix(f"{name}_"): sorted(path.glob("*.png")) for path in folders}
    metrics = {path.stem: path for path in (root / "metrics" / name).glob("*.json")}
    return {
        "name": name,
        "title": heading.lstrip("# "),
        "intro": markdown2html(rest),
        "runs": [
            {
                "name": run,
                "page": link.executed(f"{name}/{run}.json"),
                "figures": [figure(path, f"{name} {run}") for path in figures.get(run, [])],
                "numbers": numbers(metrics[run]) if run in metrics else [],
            }
            for run in sorted(set(figures) | set(metrics))
        ],
    }


def first_text(notebook: Path) -> str:
    """The first Markdown cell of a notebook."""
    cells = nbformat.read(notebook, as_version=4).cells
    return next((cell.source for cell in cells if cell.cell_type == "markdown"), f"# {notebook.stem}")


def figure(path: Path, run: str) -> dict:
    """A picture with its size and its alt text, the PNG's Description. wide: whether it needs the width of the page."""
    with Image.open(path) as image:
        width, height = image.size
        alt = image.info.get("Description") or f"{path.stem.replace('_', ' ').replace('-', ' ')} ({run})"
    size = {"width": width, "height": height, "wide": width > WIDE * height}
    return {"source": pages.webp(path.read_bytes()), "alt": alt, **size}


def numbers(path: Path) -> list[dict]:
    """One row for each number of a metrics file."""
    return [
        {
            "name": " · ".join(keys).replace("_", " "),
            "value": f"{tables.digits(leaf['value'])} {leaf['unit']}".strip(),
            "interval": tables.interval(leaf),
            "n": leaf["n"],
        }
        for keys, leaf in leaves(json.loads(path.read_text(encoding="utf-8")))
    ]


def leaves(tree: dict, keys: tuple[str, ...] = ()):
    """Each number of a metrics tree with the keys that lead to it."""
    if "value" in tree:
        yield keys, tree
    else:
        for key, branch in sorted(tree.items()):
            yield from leaves(branch, (*keys, key))


def card(path: Path) -> dict:
    """A data card, its checksums apart; raises ValueError when the file is not JSON."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    taken = {
        key: facts.pop(key, default) for key, default in (("name", path.parent.name), ("what", ""), ("sha256", {}))
    }
    return taken | {"facts": facts}


def spent(root: Path) -> list[dict]:
    """What each run took, from docs/compute.json, and the sum; none where it is absent."""
    path = root / "docs" / "compute.json"
    notes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    rows = [
        {
            "name": key,
            "processor": f"{note['processor_s'] / 60:.1f}",
            "wall": f"{note['wall_s'] / 60:.1f}",
            "memory": f"{note['memory_gb']:.1f}",
            "machine": note["machine"],
        }
        for key, note in notes.items()
    ]
    total = {key: sum(note[f"{key}_s"] for note in notes.values()) / 60 for key in ("processor", "wall")}
    most = max((note["memory_gb"] for note in notes.values()), default=0.0)
    summed = {"name": "all", "memory": f"{most:.1f}", "machine": ""} | {k: f"{v:.0f}" for k, v in total.items()}
    return [*rows, summed] if rows else []


def prose() -> dict[str, dict]:
    """The written sections of report.md: {id: {title, html}}, from headings `## id: title`."""
    text = (Path(__file__).parent / "report.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ([a-z-]+): (.+)$", text, flags=re.MULTILINE)[1:]
    return {id: {"title": name, "html": markdown2html(body)} for id, name, body in zip(*[iter(parts)] * 3)}
