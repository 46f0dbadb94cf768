"""Driven dynamics: labels are those of the molecule alone, the energy is conserved, the way is gone to its end."""

import itertools
import json
from dataclasses import fields, replace

import numpy as np
import pytest
from ase import units

from lib.data.molecules import load
from lib.data.splits import by_time
from lib.make.chunks import pack, write
from lib.make.driven import METHOD, MOLECULES, Driven, Plan, coordinate, drive, heat, places, reached, started
from lib.make.pilot import TOLERANCE_A, difference
from lib.make.xtb import BOLTZMANN, Xtb, embed, numbers


SHORT = Plan(photon_eV=3.0, turn_deg=180.0, stretch_A=0.6, frames=12, frame_fs=5.0, step_fs=0.5)
ATOMS = {"azobenzene": 24, "dithiophene": 16, "malonaldehyde": 9, "stilbene": 26}  # as in xxMD


@pytest.fixture(scope="module")
def turned():
    return list(drive("malonaldehyde", 4, 1, SHORT))


@pytest.mark.parametrize("key", MOLECULES)
def test_the_molecules_and_what_is_driven(key):
    molecule = embed(MOLECULES[key].smiles, 1)
    assert molecule.GetNumAtoms() == ATOMS[key]
    atoms = [molecule.GetAtomWithIdx(i) for i in places(key, 4)]
    bonds = [molecule.GetBondBetweenAtoms(a.GetIdx(), b.GetIdx()) for a, b in itertools.pairwise(atoms)]
    assert all(bonds)
    assert molecule.GetBondBetweenAtoms(*places(key, 2))
    pos = molecule.GetConformer().GetPositions()
    torsion = abs(np.degrees(coordinate(pos[list(places(key, 4))])[0]))
    assert torsion == pytest.approx({"malonaldehyde": 0, "dithiophene": torsion}.get(key, 180), abs=12)  # trans, cis


@pytest.mark.parametrize("driven", [2, 4])
def test_the_slope_of_a_coordinate(driven):
    pos = np.random.default_rng(driven).normal(size=(driven, 3))
    h = 1e-5
    for atom in range(driven):
        for axis in range(3):
            step = np.zeros_like(pos)
            step[atom, axis] = h
            change = coordinate(pos + step)[0] - coordinate(pos - step)[0]
            assert coordinate(pos)[1][atom, axis] == pytest.approx(change / (2 * h), abs=1e-6)


@pytest.mark.parametrize("driven", [2, 4])
def test_forces_with_the_restraint_are_minus_the_slope_of_the_energy(driven):
    molecule = embed(MOLECULES["malonaldehyde"].smiles, 1)
    z, pos = numbers(molecule), molecule.GetConformer().GetPositions()
    engine = Driven(z, pos, places("malonaldehyde", driven))
    engine.goal = 2.0
    from ase import Atoms

    atoms = Atoms(z, pos, calculator=engine)
    forces, h = atoms.get_forces(), 1e-3
    for atom, axis in ((places("malonaldehyde", driven)[0], 0), (places("malonaldehyde", driven)[-1], 1)):
        energies = []
        for sign in (1, -1):
            moved = pos.copy()
            moved[atom, axis] += sign * h
            atoms.positions = moved
            energies.append(atoms.get_potential_energy())
        assert forces[atom, axis] == pytest.approx(-(energies[0] - energies[1]) / (2 * h), abs=5e-3)


def test_labels_are_those_of_the_molecule_alone_far_from_equilibrium(turned):
    record = max(turned, key=lambda r: r["molecule"]["energy_eV"])
    xtb, h = Xtb(METHOD, record["z"], record["pos"]), 1e-3
    assert record["molecule"]["energy_eV"] == pytest.approx(xtb(record["pos"])[0], abs=1e-5)
    assert np.abs(record["atom"]["forces_eV_A"].sum(0)).max() < 1e-3
    for atom, axis in ((0, 0), (3, 2), (8, 1)):
        step = np.zeros_like(record["pos"])
        step[atom, axis] = h
        slope = (xtb(record["pos"] + step)[0] - xtb(record["pos"] - step)[0]) / (2 * h)
        assert record["atom"]["forces_eV_A"][atom, axis] == pytest.approx(-slope, abs=5e-3)


def test_the_way_is_gone_to_its_end_and_the_molecule_let_go(turned):
    own = list(places("malonaldehyde", 4))
    angle = np.degrees([coordinate(r["pos"][own])[0] for r in turned])
    twist = np.abs((angle - angle[0] + 180) % 360 - 180)
    assert twist.max() > 75  # at least half of the 180°, give or take the heat
    bond, far = list(places("malonaldehyde", 2)), replace(SHORT, stretch_A=1.2)
    length = np.array([coordinate(r["pos"][bond])[0] for r in drive("malonaldehyde", 2, 3, far)])
    assert length.max() > 0.96 + 0.45  # Å, at rest; at least half of 1.2


def test_the_same_seed_makes_the_same_trajectory(turned):
    fourth = lambda seed: next(itertools.islice(drive("malonaldehyde", 4, seed, SHORT), 3, None))["pos"]  # noqa: E731
    np.testing.assert_allclose(fourth(1), turned[3]["pos"], atol=1e-6)
    assert np.abs(fourth(2) - turned[3]["pos"]).max() > 0.05


def test_without_thermostat_and_restraint_the_energy_is_conserved():
    atoms, engine = started("malonaldehyde", 4, SHORT, np.random.default_rng(1), friction=0.0)
    total = []
    for _ in range(20):
        engine.run(5)
        total.append(atoms.get_total_energy())
    kinetic = 1.5 * len(atoms) * units.kB * heat(SHORT, len(atoms))
    assert np.ptp(total) < 0.01 * kinetic  # 50 fs; kinetic and potential energy exchange all of it meanwhile


def test_heat_is_shared_by_the_vibrations():
    assert (heat(SHORT, 24) - 300) * BOLTZMANN * 66 == pytest.approx(3.0)


def test_twisted_and_stretched_frames_are_counted(turned):
    own = pack(turned)
    own.split = by_time(1, len(turned), (0.25, 0.25))
    table = reached(own, "malonaldehyde", len(turned))
    assert table.twisted.sum() == ((table.torsion_deg > 60) & (table.torsion_deg < 120)).sum() > 0
    assert not table.stretched[0]
    assert (table.split.to_numpy() == np.repeat(["train", "validation", "test"], [6, 3, 3])).all()


def test_an_engine_that_fails_is_tried_again(monkeypatch):
    from lib.make import driven

    seeds = []

    def failing(key, along, seed, plan):
        seeds.append((along, seed))
        if len(seeds) < 3:
            raise RuntimeError("SCF did not converge")
        return ["frames"]

    monkeypatch.setattr(driven, "drive", failing)
    assert driven.trajectory("stilbene", 3, 1, SHORT) == ["frames"]
    assert seeds == [(2, 3001), (2, 3002), (2, 3003)]
    monkeypatch.setattr(driven, "drive", lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(RuntimeError, match=r"trans-stilbene, trajectory 2: SCF failed in five attempts: no"):
        driven.trajectory("stilbene", 2, 1, SHORT)


def test_a_set_is_compared_with_the_same_made_again(turned, tmp_path):
    plan = {field.name: getattr(SHORT, field.name) for field in fields(SHORT)}
    settings = plan | {"seed": 1, "isomers": {"malonaldehyde": "enol"}}
    own = pack(turned)
    write(own, tmp_path / "mine" / "malonaldehyde" / "molecules.h5")
    (tmp_path / "mine" / "card.json").write_text(json.dumps({"settings": settings}))
    assert difference("mine", tmp_path) < 1e-4
    own.pos += 0.05
    write(own, tmp_path / "mine" / "malonaldehyde" / "molecules.h5")
    assert difference("mine", tmp_path) > TOLERANCE_A


@pytest.mark.parametrize("key", MOLECULES)
def test_the_shipped_set_is_split_by_time_and_goes_far_from_equilibrium(shipped_data, key):
    if not (shipped_data / "mini-xxmd").exists():
        pytest.skip("data/mini-xxmd is not made yet: `python -m lib.make mini-xxmd`")
    own = load(shipped_data / "mini-xxmd" / key / "molecules.h5")
    assert len(own) >= 1000
    assert (own.sizes == ATOMS[key]).all()
    table = reached(own, key, 100)
    counted = table[["twisted", "stretched"]].sum()
    assert (counted >= 50).all(), counted
    for _, line in table.groupby("trajectory"):
        assert line.split.tolist() == ["train"] * 50 + ["validation"] * 25 + ["test"] * 25
    row = int(table.energy_eV.argmax())
    z, pos = own.z[: ATOMS[key]], own.pos[own.offsets[row] : own.offsets[row + 1]].astype(float)
    energy, forces = Xtb(METHOD, z, pos)(pos)
    assert own.molecule["energy_eV"][row] == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(own.atom["forces_eV_A"][own.offsets[row] : own.offsets[row + 1]], forces, atol=1e-3)
