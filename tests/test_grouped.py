"""Read-outs of unlike grain against sums of the atoms' own features."""

import mdtraj
import numpy as np
import pytest
from support import peptide

from lib.dynamics.features import token_invariants
from lib.embed import embed_frames
from lib.embed.grouped import grouped_invariants, grouping
from lib.models import EncoderConfig, random_encoder
from lib.paths import ROOT


KINDS = ["atom", "backbone-sidechain", "residue", "window-2", "frame"]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A small encoder and the pentapeptide in 70 disturbed frames of two trajectories."""
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "pentapeptide.pdb"))
    random, folder, paths = np.random.default_rng(0), tmp_path_factory.mktemp("grouped"), []
    for i, count in enumerate((40, 30)):
        noise = 0.005 * random.standard_normal((count, start.n_atoms, 3))
        frames = mdtraj.Trajectory((start.xyz + noise).astype(np.float32), start.topology)
        paths.append(folder / f"trajectory-{i}.xtc")
        frames.save_xtc(str(paths[-1]))
    encoder = random_encoder(EncoderConfig(layers=1, hidden=8, rbf=8, cutoff=4.0), 0)
    return encoder, peptide("pentapeptide", "element != H", paths)


def test_every_grain_is_the_read_out_of_its_own_groups(case):
    encoder, system = case
    found = grouped_invariants(encoder, system, KINDS, stride=2)
    assert [found["residue"][i].shape for i in (0, 1)] == [(20, 5 * 16), (15, 5 * 16)]
    for kind in KINDS:
        tokens = embed_frames(encoder, system.z, system.positions(1, 2), grouping(system, kind)).numpy()
        np.testing.assert_allclose(found[kind][1], token_invariants(tokens).reshape(15, -1), rtol=1e-4, atol=1e-4)


def test_windows_hold_residues_that_follow_each_other(case):
    _, system = case
    found = grouping(system, "window-2")
    assert [set(found[system.residue == r]) for r in range(5)] == [{0}, {0}, {1}, {1}, {2}]
    np.testing.assert_array_equal(grouping(system, "window-1"), system.residue)
    for kind in ("window-0", "window-", "helix"):
        with pytest.raises(
            ValueError, match=f"kind of group is '{kind}', expected one of atom, .* or window-<residues>"
        ):
            grouping(system, kind)
