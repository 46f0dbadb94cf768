import subprocess
import sys

import numpy as np
import pytest
from desres import LENGTHS, trajectory, write_run
from rdkit import Chem

from lib.data import systems
from lib.data.trajectories import load_system
from lib.paths import ROOT


RESIDUE = {  # three letters to one
    "ALA": "A", "LEU": "L", "TRP": "W", "TYR": "Y", "ASP": "D", "PRO": "P", "GLU": "E", "THR": "T", "GLY": "G",
    "ACE": "", "NME": "",
}  # fmt: skip


def test_each_entry_is_consistent():
    assert [entry.name for entry in systems.REGISTRY] == [
        "ala2", "pentapeptide", "chignolin", "trp-cage", "villin", "lambda6-85",
    ]  # fmt: skip
    folders = [each.folder for entry in systems.REGISTRY for each in entry.sets]
    assert len(set(folders)) == len(folders)
    for entry in systems.REGISTRY:
        assert entry.name == "ala2" or entry.sequence is None or len(entry.sequence) == entry.residues
        for each in entry.sets:
            if each.origin == systems.DESRES:
                assert each.frame_ps == 200.0
                assert "request DESRES-Trajectory_" in each.how
            for lag in entry.lags_ps.values():  # a published lag is a whole number of frames
                assert each.frame_ps is None or lag % each.frame_ps == 0


@pytest.mark.parametrize("name", ["pentapeptide", "chignolin", "trp-cage", "villin"])
def test_the_sequence_gives_the_number_of_atoms(name):
    """With charged ends, acids, lysine, arginine and histidine; norleucine and leucine are isomers."""
    (entry,) = (entry for entry in systems.REGISTRY if entry.name == name)
    neutral = Chem.AddHs(Chem.MolFromSequence(entry.sequence.replace("X", "L"))).GetNumAtoms()
    charge = {"D": -1, "E": -1, "K": 1, "R": 1, "H": 1}
    assert neutral + sum(charge.get(letter, 0) for letter in entry.sequence) == entry.atoms


def test_shipped_sets_are_what_the_registry_says(shipped_data):
    for entry in systems.REGISTRY:
        for each in entry.sets:
            if not (shipped_data / each.folder).exists():
                continue
            system = load_system(each.folder)
            assert system.topology.n_atoms == entry.atoms
            assert len(np.unique(system.residue)) == entry.residues
            assert "".join(RESIDUE[r.name] for r in system.topology.residues) == entry.sequence


def test_the_table_says_what_is_here_and_how_to_get_the_rest(tmp_path):
    write_run(tmp_path / "desres-chignolin", "CLN025-0-protein", trajectory(sum(LENGTHS)))
    found = systems.table(tmp_path)
    assert "desres-chignolin (DESRES, 340 K, every 200 ps" in found
    assert "CLN025-0-protein-003.dcd is missing" in found
    assert "not here: request DESRES-Trajectory_2JOF-0-protein at https://" in found
    assert "lambda6-85: 80 residues, sequence not found, atoms not found" in found


def test_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "lib.data.systems"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == systems.table()
