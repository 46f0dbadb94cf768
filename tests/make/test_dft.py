"""Levels of theory: textbook energies, orbitals that do not depend on the path, labels of the stored sets."""

import json

import numpy as np
import pytest

from lib.data.molecules import SPLITS, load
from lib.make.chunks import pack, write
from lib.make.dft import TARGETS, label, single_points
from lib.make.pilot import difference
from lib.make.xtb import BOHR, DEBYE, HARTREE, relax


OXYGEN, HYDROGENS = [0, -0.143225816552, 0], [[s * 1.638036840407, 1.136548822547, 0] for s in (1, -1)]
WATER = np.array([8, 1, 1]), BOHR * np.array([OXYGEN, *HYDROGENS])


def test_hydrogen_is_the_textbooks():
    """Szabo and Ostlund, Modern Quantum Chemistry, section 3.5.2: minimal basis, 1.4 a0; density fitting costs some."""
    found = single_points(np.array([1, 1]), np.array([[0, 0, 0], [0, 0, 1.4 * BOHR]]), ["HF/STO-3G"], 0)
    assert found["energy_eV"][0] / HARTREE == pytest.approx(-1.1167, abs=2e-4)
    assert found["homo_eV"][0] / HARTREE == pytest.approx(-0.578, abs=1e-3)
    assert found["lumo_eV"][0] / HARTREE == pytest.approx(0.670, abs=1e-3)
    assert found["mu_D"][0] == pytest.approx(0, abs=1e-4)


def test_water_is_that_of_the_programming_projects():
    """Hartree-Fock/STO-3G at the geometry of Crawford's programming projects: -74.942080 hartree, 0.603521 e a0."""
    found = single_points(*WATER, ["HF/STO-3G"], 0)
    assert found["energy_eV"][0] / HARTREE == pytest.approx(-74.942080, abs=5e-4)
    assert found["mu_D"][0] == pytest.approx(0.603521 * DEBYE, rel=2e-3)


def test_a_level_does_not_depend_on_those_before_it_nor_much_on_the_quadrature():
    levels = ["HF/6-31G*", "PBE/6-31G*", "B3LYP/6-31G*"]
    chained = single_points(*WATER, levels, 1)
    alone = single_points(*WATER, levels[-1:], 3)
    assert chained["gap_eV"][2] == pytest.approx(alone["gap_eV"][0], abs=3e-3)
    assert chained["energy_eV"][2] == pytest.approx(alone["energy_eV"][0], abs=3e-3)
    np.testing.assert_allclose(chained["gap_eV"], chained["lumo_eV"] - chained["homo_eV"])
    assert chained["gap_eV"][0] > chained["gap_eV"][2] > chained["gap_eV"][1]  # the more exact exchange, the wider


@pytest.mark.parametrize("level", ["B3LYP", "/6-31G*", "B3LYP/"])
def test_half_a_level_is_refused(level):
    with pytest.raises(ValueError, match="expected <functional>/<basis>"):
        single_points(*WATER, [level], 0)


def test_a_molecule_that_does_not_converge_is_left_out_or_nan(monkeypatch):
    from pyscf import scf

    monkeypatch.setattr(scf.hf.SCF, "max_cycle", 1)
    assert label("O", *WATER, ["HF/STO-3G"], 0) is None
    two = label("O", *WATER, ["HF/STO-3G", "HF/6-31G"], 0)["molecule"]
    assert all(np.isnan(two[name]).all() and two[name].shape == (2,) for name in TARGETS)


def test_labels_keep_the_geometry_they_are_of():
    record = relax("CO", 1)
    made = label("CO", record["z"], record["pos"], ["HF/STO-3G", "PBE/STO-3G"], 0)
    np.testing.assert_array_equal(made["pos"], record["pos"])
    assert made["molecule"]["gap_eV"].shape == (2,)


def test_a_set_of_labels_is_compared_with_the_same_made_again(tmp_path):
    levels = ["HF/STO-3G", "PBE/STO-3G"]
    own = pack([label("O", *WATER, levels, 0)] * 2)
    write(own, tmp_path / "mine" / "molecules.h5")
    (tmp_path / "mine" / "card.json").write_text(json.dumps({"settings": {"levels": levels, "grid": 0}}))
    assert difference("mine", tmp_path) < 1e-3
    own.molecule["gap_eV"][1, 1] += 0.1
    write(own, tmp_path / "mine" / "molecules.h5")
    assert difference("mine", tmp_path) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("name", ["mini-qm9-b3lyp", "mini-gaps"])
def test_labels_lie_at_geometries_of_the_source_and_on_its_splits(shipped_data, name):
    if not (shipped_data / name).exists():
        pytest.skip(f"data/{name} is not made yet: `python -m lib.make {name}`")
    source, labelled = (load(shipped_data / folder / "molecules.h5") for folder in ("mini-qm9", name))
    rows = [int(np.flatnonzero(source.smiles == s)[0]) for s in labelled.smiles]
    same = source.take(np.array(rows))
    np.testing.assert_array_equal(same.pos, labelled.pos)
    np.testing.assert_array_equal(same.split, labelled.split)
    heavy = np.add.reduceat((labelled.z > 1).astype(int), labelled.offsets[:-1])
    assert heavy.max() <= 7
    assert set(np.unique(labelled.z)) <= {1, 6, 7, 8, 9}
    assert len(SPLITS) == len(np.unique(labelled.split))
