"""CONTRIBUTING's recipes, followed to the letter in a clone: each with at most 30 lines of new code."""

import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from support import dvc

from lib.notebook import strip
from lib.verify.execute import environment


ENCODER = '''
"""A sum over neighbours, for the test of the recipe."""

import torch
from torch import nn

from lib.models.radial import ExpNormalBasis


class Plain(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.expansion = ExpNormalBasis(config.rbf, config.cutoff)
        self.embedding = nn.Embedding(100, config.hidden)
        self.filters = nn.ModuleList(nn.Linear(config.rbf, config.hidden, bias=False) for _ in range(config.layers))

    def layers(self, z, graph):
        centre, neighbour, pair, unit = graph.edges()
        basis, scalars = self.expansion(graph.distances())[pair], self.embedding(z)
        vectors = scalars.new_zeros(len(z), 3, scalars.shape[1])
        yield scalars, vectors
        for linear in self.filters:
            sent = scalars[neighbour] * linear(basis)
            scalars = scalars + torch.tanh(torch.zeros_like(scalars).index_add(0, centre, sent))
            vectors = vectors.index_add(0, centre, sent.unsqueeze(1) * unit.unsqueeze(2))
            yield scalars, vectors

    def forward(self, z, graph):
        return list(self.layers(z, graph))[-1]


Representation = Plain
'''.lstrip()

BATTERY = """
from models.physics import Physics

from lib.models import EncoderConfig


class TestPlain(Physics):
    config = EncoderConfig("plain", layers=2, hidden=16, rbf=8, cutoff=5.0, heads=4)
""".lstrip()

CELLS = [
    ("markdown", "# How long the trajectories are\n\nNo paper says."),
    (
        "code",
        'run = "ala2"  # name of the result\nfolder = "scratch/trial"  # where results go, below the repository root\n'
        'system = "ala2"  # simulated system in data/',
    ),
    (
        "code",
        "from lib.data.trajectories import load_system\nfrom lib.measure.metric import estimate, write\n"
        "from lib.paths import Results\n\n\n"
        'out = Results(folder, "length", run)\nsimulated = load_system(system, "all")',
    ),
    (
        "code",
        "frames = [float(len(simulated.positions(i))) for i in range(len(simulated.paths))]\n"
        'write(out.metrics, {"frames": estimate(frames)})\nframes',
    ),
]
STAGE = """
  length:
    foreach: ${length}
    do:
      cmd: python -m lib.notebook run build/77_length.ipynb executed/length_${key}.ipynb length.${key}
      deps:
        - build/77_length.ipynb
        - data/${item.system}
      params:
        - length.${key}
      outs:
        - executed/length_${key}.ipynb
        - executed/length_${key}.html
      metrics:
        - metrics/length/${key}.json:
            cache: false

  report:"""


@pytest.fixture
def small(own):
    """A clone in the smoke profile."""
    shutil.copy(own / "profiles/smoke.yaml", own / "params.yaml")
    return own


def run(own, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=own,
        env=environment() | {"PYTHONPATH": str(own)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_encoder(small, quick):
    assert len([line for line in ENCODER.splitlines() if line.strip()]) <= 30
    (small / "lib/models/plain.py").write_text(ENCODER)
    (small / "tests/models/test_plain.py").write_text(BATTERY)
    said = run(small, "-m", "pytest", "-p", "no:cacheprovider", "tests/models/test_plain.py")
    assert re.search(r"\d passed", said), said
    change(small / "params.yaml", "architecture: et", "architecture: plain")
    dvc(small, "repro", "pretrain@spread-0")
    checkpoint = json.loads(next((small / "artifacts/checkpoints/spread-0").glob("*.json")).read_text())
    assert "plain" in json.dumps(checkpoint)


def test_a_notebook(small, quick):
    assert sum(len(text.splitlines()) for kind, text in CELLS if kind == "code") <= 30
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    book = nbformat.v4.new_notebook(cells=[make[kind](text) for kind, text in CELLS])
    book.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(book, small / "notebooks/77_length.ipynb")
    strip(small / "notebooks/77_length.ipynb", small / "notebooks/77_length.ipynb")
    change(small / "dvc.yaml", "      - 90_report\n", "      - 77_length\n      - 90_report\n")
    change(small / "dvc.yaml", "\n  report:", STAGE)
    for name in ("smoke", "demo", "paper"):
        change(small / f"profiles/{name}.yaml", "\nreport:", "\nlength:\n  ala2:\n    system: ala2\n\nreport:")
    change(small / "README.md", "| `90_report` |", "| `77_length` | how long the trajectories are |\n| `90_report` |")
    shutil.copy(small / "profiles/demo.yaml", small / "params.yaml")
    dvc(small, "repro", "length@ala2")
    assert json.loads((small / "metrics/length/ala2.json").read_text())["frames"]["n"] == 3
    checks = "stripped or literals or declares or closure or section or short or title or same_keys or README"
    run(small, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_pipeline.py", "-k", checks)


def test_a_system(small):
    shutil.copy(small / "lib/make/start/pentapeptide.pdb", small / "lib/make/start/mine.pdb")
    entry = "\n  mine:\n    folder: data\n    starts: []\n    temperature_K: 300.0\n    friction_per_ps: 1.0\n"
    entry += "    frame_ps: 0.02\n    length_ns: 0.0001\n    chunk_ns: 0.00004\n    trajectories: 2\n    seed: 1\n"
    entry += '    platform: CPU\n    reason: "a trial"\n    workers: 1\n  mini-equilibrium:'
    change(small / "params.yaml", "\n  mini-equilibrium:", entry)
    run(small, "-m", "lib.make", "mine")
    shape = "from lib.data.trajectories import load_system as s; print(s('mine', 'all').positions(1).shape)"
    assert "(4, 94, 3)" in run(small, "-c", shape)
    assert json.loads((small / "data/mine/card.json").read_text())["sizes"]["atoms"] == 94
