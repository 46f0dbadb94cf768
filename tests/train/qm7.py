"""QM7, outside data that nothing here was chosen on: the three starts by the recipe of the demo, for three seeds.

python tests/train/qm7.py [training molecules] [epochs]      needs the reference data and `dvc pull`; 1 CPU minute
"""

import gzip
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.data.molecules import MoleculeSet
from lib.data.reference import reference
from lib.data.sources import xyz
from lib.data.sources.units import KCAL
from lib.data.splits import by_parent
from lib.measure.starts import gain
from lib.models import load_encoder
from lib.threads import single_thread
from lib.train.finetune import STARTS, Recipe, begin
from lib.train.properties import fit, prepare


FILE = "data/qml_qm7/qm7_7101.extxyz.gz"
RECIPE = Recipe(epochs=8, batch_size=16, learning_rate=5e-3, warmup=30, clip=10.0)
LIMIT = 1000  # training molecules
SEEDS = (0, 1, 2)  # of the pre-training as well: spread-<seed>


def molecules(path: Path) -> MoleculeSet:
    """All molecules with their PBE0 atomisation energies, 80 / 10 / 10 % at random."""
    data = gzip.decompress(path.read_bytes())
    starts, stops, _ = xyz.spans(data)
    by = xyz.layout(data[starts[0] : stops[0]].split(b"\n", 2)[1], ())
    records, comments = xyz.parse(data, starts, stops, str, by)
    energy = np.array([float(xyz.values(line)["ae_pbe0_kcal"]) for line in comments]) * KCAL
    count = len(records)
    return MoleculeSet(
        records.z,
        records.pos,
        np.concatenate([[0], np.cumsum(records.sizes)]),
        by_parent(np.arange(count), (0.1, 0.1), 0),
        np.full(count, ""),
        {"atomization_eV": energy},
    )


def errors(found: MoleculeSet, starts: tuple[str, ...], seeds: tuple[int, ...], recipe: Recipe, limit=None) -> dict:
    """Test errors in kcal/mol, start -> (seed,), of the encoders that the suite ships for the spread over seeds."""
    target = prepare(found, "atomization_eV", found.split)
    table = {start: [] for start in starts}
    for seed in seeds:
        pretrained = load_encoder(f"spread-{seed}")
        for start in starts:
            with tempfile.TemporaryDirectory() as folder, single_thread():
                begun = begin(start, pretrained.config, seed, pretrained)
                done = fit(begun, found, found.split, target, recipe, seed, Path(folder) / "state.pt", limit)
            table[start].append(float(done["errors"].mean()) / 1000 / KCAL)
    return {start: np.array(values) for start, values in table.items()}


if __name__ == "__main__":
    if (place := reference(FILE)) is None:
        raise SystemExit(f"reference file {FILE} is missing; set REFERENCE_DATA to its folder")
    everything = molecules(place)
    baseline = prepare(everything, "atomization_eV", everything.split).composition_error / 1000 / KCAL
    words = sys.argv[1:]
    limit, epochs = int(words[0]) if words else LIMIT, int(words[1]) if words[1:] else RECIPE.epochs
    table = errors(everything, STARTS, SEEDS, replace(RECIPE, epochs=epochs), limit)
    print(f"{limit} training molecules, {epochs} epochs")
    print(f"composition alone: {baseline:.2f} kcal/mol on {np.sum(everything.split == 2)} test molecules")
    for start, values in table.items():
        print(f"{start}: {values.mean():.2f} kcal/mol, seeds {values.round(2).tolist()}")
    for start in STARTS[1:]:
        leaf = gain(table["scratch"], table[start], "kcal/mol")
        print(f"scratch - {start}: {leaf['value']:+.2f} ({leaf['low']:+.2f} to {leaf['high']:+.2f}) kcal/mol")
