"""Read-outs: group by group by hand, published tokens, and what a rotation leaves alone."""

import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest
import torch

from lib.models import EncoderConfig, random_encoder
from lib.models.readout import KINDS, groups, invariants, pool
from lib.paths import ROOT


sys.path.append(str(Path(__file__).parent))
from physics import jiggled, molecules, rotation


START = ROOT / "lib" / "make" / "start"


@pytest.fixture(scope="module")
def peptide():
    return mdtraj.load(str(START / "pentapeptide.pdb")).topology


@pytest.fixture(scope="module")
def capped():
    return mdtraj.load(str(START / "ala2.pdb")).topology


def members(topology, kind, selection=None):
    """{name: names of its atoms}"""
    group, names = groups(topology, kind, selection)
    chosen = range(topology.n_atoms) if selection is None else selection
    assert group.dtype == np.int64
    assert sorted(set(group)) == list(range(len(names)))
    return {name: {topology.atom(int(i)).name for i, g in zip(chosen, group) if g == n} for n, name in enumerate(names)}


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_is_a_sum_over_the_atoms_of_each_group(peptide, kind):
    group, names = groups(peptide, kind)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3 * len(group), 4, 2, generator=generator, dtype=torch.float64)
    pooled = pool(features, torch.from_numpy(group), frames=3)
    assert pooled.shape == (3, len(names), 4, 2)
    for frame, n in np.ndindex(3, len(names)):
        by_hand = sum(features[frame * len(group) + i] for i in range(len(group)) if group[i] == n)
        assert torch.allclose(pooled[frame, n], by_hand, atol=1e-13)
    if kind == "atom":
        assert torch.equal(pooled.flatten(0, 1), features)
    if kind == "frame":
        assert torch.allclose(pooled[:, 0], features.view(3, len(group), 4, 2).sum(1), atol=1e-13)


def test_backbone_and_side_chain_of_every_residue(peptide):
    found = members(peptide, "backbone-sidechain")
    assert list(found)[:4] == ["TRP1 backbone", "TRP1 side chain", "LEU2 backbone", "LEU2 side chain"]
    assert len(found) == 10
    assert found["TRP1 backbone"] == {"N", "H", "H2", "H3", "CA", "HA", "C", "O"}
    assert found["ALA3 backbone"] == {"N", "H", "CA", "HA", "C", "O"}
    assert found["ALA3 side chain"] == {"CB", "HB1", "HB2", "HB3"}
    assert found["LEU5 backbone"] == {"N", "H", "CA", "HA", "C", "O", "OXT"}
    assert {"NE1", "HE1", "CZ2"} <= found["TRP1 side chain"]


def test_caps_are_backbone_and_a_group_without_atoms_has_no_number(capped):
    found = members(capped, "backbone-sidechain")
    assert list(found) == ["ACE1 backbone", "ALA2 backbone", "ALA2 side chain", "NME3 backbone"]
    assert found["ACE1 backbone"] >= {"CH3", "H1", "C", "O"}
    assert found["ALA2 side chain"] == {"CB", "HB1", "HB2", "HB3"}
    without = members(capped, "backbone-sidechain", capped.select("name != CB and element != H"))
    assert list(without) == ["ACE1 backbone", "ALA2 backbone", "NME3 backbone"]
    assert list(members(capped, "residue", capped.select("resname != ALA"))) == ["ACE1", "NME3"]
    assert members(capped, "atom", [4]) == {"ACE1-C": {"C"}}
    assert list(members(capped, "frame")) == ["all atoms"]


def test_what_is_no_amino_acid_is_one_group_and_an_unusual_one_is_split():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for name, atoms in (("NLE", "N CA C O CB"), ("HOH", "O"), ("LIG", "C1 N")):
        residue = topology.add_residue(name, chain)
        for atom in atoms.split():
            topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    assert members(topology, "backbone-sidechain") == {
        "NLE0 backbone": {"N", "CA", "C", "O"},
        "NLE0 side chain": {"CB"},
        "HOH1": {"O"},
        "LIG2": {"C1", "N"},
    }


def test_residue_sums_are_the_published_tokens(reference):
    golden = np.load(reference("golden/et_cln025heavy_full.npz"))
    rows = np.concatenate([golden["x64"][:, :, None], golden["v64"]], axis=2)
    group = torch.from_numpy(np.unique(golden["res_index"], return_inverse=True)[1])
    tokens = pool(torch.from_numpy(rows).flatten(0, 1), group, len(rows))
    assert np.abs(tokens.numpy() - golden["token_sum"]).max() < 1e-6 * np.abs(golden["token_sum"]).max()


@pytest.mark.parametrize("architecture", ["et", "visnet", "tensornet"])
def test_invariants_do_not_turn_with_the_molecule(architecture):
    config = EncoderConfig(architecture, layers=2, hidden=16, rbf=16, cutoff=4.0, heads=4)
    encoder = jiggled(random_encoder(config, 0).double())
    z, pos, batch = molecules((9, 9))
    group = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 0])
    with torch.no_grad():
        before, after = encoder(z, pos, batch), encoder(z, pos @ rotation().T, batch)
    assert invariants(*before).shape == (18, 32)
    assert torch.allclose(invariants(*after), invariants(*before), rtol=0, atol=1e-12)
    assert torch.equal(invariants(*before)[:, :16], before[0])
    pooled = [invariants(*(pool(features, group, 2) for features in found)) for found in (before, after)]
    assert pooled[0].shape == (2, 3, 32)
    assert torch.allclose(*pooled, rtol=0, atol=1e-12)


def test_gradient_of_a_length_is_finite_at_zero():
    vectors = torch.zeros(2, 3, 4, requires_grad=True)
    invariants(torch.zeros(2, 4), vectors).sum().backward()
    assert torch.isfinite(vectors.grad).all()


def test_bad_groups_are_refused_in_one_sentence(peptide):
    with pytest.raises(ValueError, match="kind of group is 'chain', expected one of atom"):
        groups(peptide, "chain")
    with pytest.raises(ValueError, match="no atoms to group"):
        groups(peptide, "residue", np.array([], int))
    with pytest.raises(ValueError, match="features of 7 atoms, expected 2 frames of 3 atoms"):
        pool(torch.zeros(7, 2), torch.tensor([0, 0, 1]), 2)
    loose = mdtraj.Topology()
    residue = loose.add_residue("ALA", loose.add_chain())
    loose.add_atom("HB1", mdtraj.element.hydrogen, residue)
    with pytest.raises(ValueError, match="hydrogen ALA0-HB1 has no bond"):
        groups(loose, "backbone-sidechain")
