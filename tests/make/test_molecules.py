import numpy as np
import pytest
from rdkit import Chem

from lib.data.molecules import load
from lib.make.chunks import in_chunks
from lib.make.fragments import UNSTABLE, enumerate_molecules
from lib.make.xtb import HARTREE, Xtb, disturb, embed, numbers, relax, same_bonds


def test_enumeration_is_distinct_repeatable_and_within_bounds():
    smiles = enumerate_molecules(300, (4, 20), seed=2)
    assert len(set(smiles)) == 300
    assert smiles == enumerate_molecules(300, (4, 20), seed=2)
    assert smiles[:100] == enumerate_molecules(100, (4, 20), seed=2)  # sets may take slices of one enumeration
    assert smiles != enumerate_molecules(300, (4, 20), seed=3)
    for line in smiles:
        mol = Chem.MolFromSmiles(line)
        assert 4 <= mol.GetNumHeavyAtoms() <= 20
        assert {a.GetSymbol() for a in mol.GetAtoms()} <= {"C", "N", "O", "F", "S", "Cl"}
        assert Chem.GetFormalCharge(mol) == 0
        assert not any(mol.HasSubstructMatch(p) for p in UNSTABLE)


def test_water_energy_is_the_documented_one():
    pos = np.array([[0, 0, -0.74288549], [-1.43472674, 0, 0.37144275], [1.43472674, 0, 0.37144275]]) * 0.529177210903
    energy, forces = Xtb("GFN2", np.array([8, 1, 1]), pos)(pos)
    assert energy / HARTREE == pytest.approx(-5.07035, abs=1e-3)
    assert np.abs(forces.sum(0)).max() < 1e-6


def test_forces_are_minus_the_slope_of_the_energy():
    record = disturb("CCO", 0, 1, (300.0, 300.0))[0]
    xtb, h = Xtb("GFN1", record["z"], record["pos"]), 1e-3
    for atom, axis in ((0, 0), (3, 2)):
        step = np.zeros_like(record["pos"])
        step[atom, axis] = h
        slope = (xtb(record["pos"] + step)[0] - xtb(record["pos"] - step)[0]) / (2 * h)
        assert record["atom"]["forces_eV_A"][atom, axis] == pytest.approx(-slope, abs=2e-3)


def test_relaxed_geometry_has_no_force_left():
    record = relax("CC(=O)N", 1)
    forces = Xtb("GFN2", record["z"], record["pos"])(record["pos"])[1]
    assert np.abs(forces).max() < 0.1
    assert record["z"].tolist().count(1) == 5


def test_disturbed_conformers_keep_their_bonds_and_differ():
    conformers = disturb("CCCO", 4, 3, (50.0, 150.0))
    assert len(conformers) == 3
    mol = embed("CCCO", 4)
    assert all(same_bonds(mol, c["pos"]) for c in conformers)
    assert all(np.abs(c["atom"]["forces_eV_A"]).max() > 0.5 for c in conformers)
    assert np.abs(conformers[0]["pos"] - conformers[1]["pos"]).max() > 0.1


def test_broken_bond_is_noticed():
    mol = embed("CCO", 0)
    pos = mol.GetConformer().GetPositions()
    assert same_bonds(mol, pos)
    pos[numbers(mol).argmax()] += 2.0
    assert not same_bonds(mol, pos)


def record(name, fail):
    if fail:
        return None
    return {"smiles": name, "z": np.array([6, 1]), "pos": np.eye(2, 3), "molecule": {}, "atom": {}}


def test_interrupted_chunks_are_not_computed_twice(tmp_path):
    inputs = [(f"M{i}", i == 3) for i in range(10)]
    first = in_chunks(record, inputs, tmp_path, size=4, workers=1)
    assert first.smiles.tolist() == [f"M{i}" for i in range(10) if i != 3]
    kept = (tmp_path / "chunk-000000.h5").stat().st_mtime_ns
    (tmp_path / "chunk-000004.h5").unlink()
    again = in_chunks(record, inputs, tmp_path, size=4, workers=1)
    assert (tmp_path / "chunk-000000.h5").stat().st_mtime_ns == kept
    np.testing.assert_array_equal(again.pos, first.pos)
    assert len(load(tmp_path / "chunk-000008.h5")) == 2
