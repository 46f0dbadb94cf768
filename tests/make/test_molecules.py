import numpy as np
import pytest
from rdkit import Chem

from lib.data.molecules import load
from lib.make.chunks import in_chunks, pack, write
from lib.make.fragments import UNSTABLE, enumerate_molecules
from lib.make.xtb import HARTREE, Xtb, characterise, disturb, embed, numbers, relax, same_bonds


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


def test_enumeration_of_some_elements_without_what_is_known():
    known = enumerate_molecules(40, (4, 6), 1, "CNO")
    more = enumerate_molecules(40, (4, 6), 1, "CNO", known)
    assert not set(more) & set(known)
    for line in known + more:
        assert {a.GetSymbol() for a in Chem.MolFromSmiles(line).GetAtoms()} <= {"C", "N", "O"}
    assert enumerate_molecules(40, (4, 6), 1) == enumerate_molecules(40, (4, 6), 1, (), ())


def test_properties_are_those_of_the_same_minimum():
    record = characterise("CC(=O)N", 1)
    same = relax("CC(=O)N", 1)
    np.testing.assert_array_equal(record["pos"], same["pos"])
    labels = record["molecule"]
    assert labels["energy_eV"] == same["molecule"]["energy_eV"]
    assert labels["lumo_eV"] - labels["homo_eV"] == pytest.approx(labels["gap_eV"]) == same["molecule"]["gap_eV"]
    assert labels["homo_eV"] < 0
    assert 3 < labels["mu_D"] < 5  # acetamide: 3.7 D measured
    assert characterise("CC", 1)["molecule"]["mu_D"] == pytest.approx(0, abs=0.02)  # ethane has none


def test_stored_energies_keep_their_digits(tmp_path):
    energy = -12345.678901234
    found = pack([record("M", False) | {"molecule": {"energy_eV": energy, "gap_eV": np.array([1.0, np.nan])}}])
    write(found, tmp_path / "molecules.h5")
    again = load(tmp_path / "molecules.h5")
    assert again.molecule["energy_eV"][0] == energy
    np.testing.assert_array_equal(again.molecule["gap_eV"], [[1.0, np.nan]])
    np.testing.assert_array_equal(again.pos, found.pos)
    assert [p.name for p in tmp_path.iterdir()] == ["molecules.h5"]


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
