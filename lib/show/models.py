"""The model cards: what each shipped encoder is, was trained on, reaches, and is not for.

`python -m lib.show.models` writes them to docs/models.md; the report holds the same text.
"""

import json
import os
from pathlib import Path

from mdtraj.core.element import Element

from lib.data.checksum import sha256
from lib.paths import ROOT
from lib.show.pages import templates
from lib.show.tables import digits, number


FULL_NAME = {"et": "Equivariant Transformer", "visnet": "ViSNet", "tensornet": "TensorNet"}
HEAD = """# Model cards

The encoders that `dvc pull artifacts/checkpoints/<name>` fetches, by `python -m lib.show.models` from their own
`config.json` and the committed metrics. Errors are denoising errors at the noise they were trained with, with 95 %
intervals: over held-out molecules, or over trajectories.
"""


def cards(root: Path = ROOT) -> list[dict]:
    """What the template shows of every encoder below root/artifacts/checkpoints that has metrics, by name."""
    found = []
    for config in sorted((root / "artifacts" / "checkpoints").glob("*/config.json")):
        name = config.parent.name
        metrics = root / "metrics" / "pretrain" / f"{name}.json"
        if not metrics.exists():
            continue
        about, numbers = json.loads(config.read_text()), json.loads(metrics.read_text())
        weights = config.with_name("weights.safetensors")
        found.append(
            {
                "name": name,
                "encoder": about["encoder"],
                "training": about["provenance"],
                "architecture": FULL_NAME.get(about["encoder"]["architecture"], about["encoder"]["architecture"]),
                "parameters": f"{numbers['parameters']['value']:,.0f}",
                "error": number(numbers["denoising"]["test"]),
                "floor": digits(numbers["floor"]["test"]["value"]),
                "transfer": transfer(root, name),
                "elements": ", ".join(Element.getByAtomicNumber(z).symbol for z in about["provenance"]["elements"]),
                "size_kB": round(weights.stat().st_size / 1000),
                "sha256": sha256(weights),
            }
        )
    return found


def transfer(root: Path, name: str) -> dict:
    """{system: {atoms: error as text}} of an encoder, from the transfer stage; empty where that has not seen it."""
    found = {}
    for path in sorted((root / "metrics" / "transfer").glob("*.json")):
        for system, rows in json.loads(path.read_text()).get(name, {}).items():
            if {"all", "heavy"} <= rows.keys():
                found[system] = {atoms: number(leaf) for atoms, leaf in rows.items()}
    return found


def markdown(root: Path = ROOT) -> str:
    """The cards as Markdown."""
    return templates().get_template("models.md.j2").render(cards=cards(root)).strip() + "\n"


if __name__ == "__main__":
    target = ROOT / "docs" / "models.md"
    partial = target.with_suffix(".tmp")
    partial.write_text(f"{HEAD}\n{markdown()}", encoding="utf-8")
    os.replace(partial, target)
