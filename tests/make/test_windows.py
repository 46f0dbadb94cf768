"""Windows and peptides: whole molecules, nothing moved, nothing that is judged."""

from collections import Counter

import numpy as np
import pytest

from lib.data.domains import RESIDUES, load
from lib.data.molecules import load as load_molecules
from lib.data.systems import REGISTRY
from lib.make.pilot import window_difference
from lib.make.windows import APART, Kinds, barred, bonds, choices, cut, letters_of, pieces, window_set, windows


JUDGED = [entry.sequence for entry in REGISTRY if entry.sequence]
DIPEPTIDE = {1: 12, 6: 6, 7: 2, 8: 2}  # ACE-ALA-NME


@pytest.fixture
def domains(shipped_data):
    return load(shipped_data / "mini-folds" / "domains.h5")


def degrees(z, pos):
    return np.bincount(bonds(z, pos).ravel(), minlength=len(z))


def inner(domain, name):
    """A residue of this kind with neighbours on both sides."""
    found = np.flatnonzero(domain.kind == RESIDUES.index(name))
    return next(int(i) for i in found if 0 < i < len(domain.kind) - 1)


def test_alanine_between_caps_is_alanine_dipeptide(domains):
    domain = next(d for d in map(domains.take, [[i] for i in range(13)]) if RESIDUES.index("ALA") in d.kind[1:-1])
    z, _ = cut(domain, [inner(domain, "ALA")], bonds(domain.z, domain.pos))
    assert Counter(z.tolist()) == DIPEPTIDE


def test_every_kept_atom_stays_where_it_is_with_as_many_bonds(domains):
    domain = domains.take([4])
    bonded = bonds(domain.z, domain.pos)
    whole = np.bincount(bonded.ravel(), minlength=len(domain.z))
    place = {tuple(p): i for i, p in enumerate(domain.pos.tolist())}
    for residues in choices(domain, Kinds()):
        z, pos = cut(domain, residues, bonded)
        at = [place.get(tuple(p)) for p in pos.tolist()]
        old = [i for i in at if i is not None]
        assert (domain.residue[old][:, None] == np.array(residues)).any(0).all()
        degree = degrees(z, pos)
        assert [degree[k] for k, i in enumerate(at) if i is not None] == whole[old].tolist()
        new = np.array([i is None for i in at])
        assert (z[new] == 1).all()
        assert (degree[new] == 1).all()
        assert Counter(z[~new].tolist())[6] == (domain.z[old] == 6).sum()


def test_new_hydrogens_lie_along_the_bonds_that_were_cut(domains):
    domain = domains.take([0])
    bonded = bonds(domain.z, domain.pos)
    z, pos = cut(domain, [5], bonded)
    before = np.flatnonzero((domain.residue == 4) & (domain.atom == 1))[0]  # CA, which becomes a methyl group
    goes = [b if a == before else a for a, b in bonded if before in (a, b)]
    goes = [g for g in goes if domain.atom[g] != 2]  # all but C
    near = np.linalg.norm(pos - domain.pos[before], axis=1)
    hydrogens = pos[(near < 1.2) & (z == 1)] - domain.pos[before]
    assert len(hydrogens) == 3 == len(goes)
    along = domain.pos[goes] - domain.pos[before]
    cosine = (hydrogens @ along.T) / np.outer(np.linalg.norm(hydrogens, axis=1), np.linalg.norm(along, axis=1))
    np.testing.assert_allclose(np.sort(cosine.max(1)), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(hydrogens, axis=1), 1.09, atol=1e-5)


def test_ends_of_the_chain_stay_charged(domains):
    domain = domains.take([0])
    bonded, last = bonds(domain.z, domain.pos), len(domain.kind) - 1
    for residues, atom, count in (([0], 7, 4), ([last], 8, 1)):
        z, pos = cut(domain, residues, bonded)
        owner = degrees(z, pos)
        assert (owner[z == atom] == count).any()
    assert (degrees(*cut(domain, [5], bonded))[cut(domain, [5], bonded)[0] == 7] <= 4).all()


def test_contacts_are_the_nearest_residues_that_are_far_along_the_chain(domains):
    domain = domains.take([4])
    found = set(choices(domain, Kinds((), True)))
    heavy, count = domain.z > 1, len(domain.kind)
    for i in range(count):
        far = [j for j in range(count) if abs(i - j) >= APART]
        apart = {
            j: min(
                np.linalg.norm(a - b)
                for a in domain.pos[heavy & (domain.residue == i)]
                for b in domain.pos[heavy & (domain.residue == j)]
            )
            for j in far
        }
        assert tuple(sorted((i, min(apart, key=apart.get)))) in found
    assert all(b - a >= APART for a, b in found)
    assert len(choices(domain, Kinds((2,), False))) == count - 1


def test_pieces_of_a_chain():
    assert pieces([3, 4, 9]) == [[3, 4], [9]]
    assert pieces([3]) == [[3]]


@pytest.mark.parametrize(
    ("letters", "is_barred"),
    [("A", True), ("AA", False), ("AAA", False), ("LAL", True), ("GALLG", True), ("WL", False), ("LL", False)],
)
def test_what_is_barred(letters, is_barred):
    assert barred(letters, ["A", "WLALL"]) == is_barred


def test_windows_hold_nothing_that_is_judged(domains):
    domain = domains.take([0])
    every = choices(domain, Kinds())
    allowed = [r for r in every if not any(barred(letters_of(domain, p), JUDGED) for p in pieces(r))]
    found = windows(domain, Kinds(), JUDGED)
    assert len(found) == len(allowed) < len(every)
    assert DIPEPTIDE not in [Counter(record["z"].tolist()) for record in found]


def test_a_set_is_split_as_its_domains_are(domains):
    few = domains.take(np.concatenate([domains.of_split(s)[:2] for s in ("training", "validation", "test_fold")]))
    counts = {"train": 30, "validation": 20, "test": 10}
    made = window_set(few, Kinds(), JUDGED, counts, 1)
    assert {s: len(made.of_split(s)) for s in counts} == counts
    split = {str(name): int(k) for name, k in zip(few.name, few.split)}
    assert all(split[name] == k for name, k in zip(made.smiles, made.split))
    again = window_set(few, Kinds(), JUDGED, counts, 1)
    assert (again.pos == made.pos).all()
    with pytest.raises(ValueError, match="give no window"):
        window_set(domains.take(domains.of_split("training")[:2]), Kinds(), JUDGED, counts, 1)


def test_bad_domains_are_refused(domains):
    one = domains.take([0])
    one.segment = np.arange(len(one.segment)) // 5
    with pytest.raises(ValueError, match="pieces of chain, expected one"):
        windows(one, Kinds(), JUDGED)
    bare = domains.take([0])
    bare.z = np.where(bare.z == 1, 6, bare.z)
    with pytest.raises(ValueError, match="has no hydrogens"):
        windows(bare, Kinds(), JUDGED)


class TestPeptides:
    def test_sequences_are_distinct_and_not_judged(self):
        from lib.make.peptides import sequences

        found = sequences(400, 50, JUDGED, 1)
        assert len(set(found)) == 450
        assert sorted({len(s) for s in found}) == [2, 3]
        assert set("".join(found)) == set("ARNDCQEGHILKMFPSTWYV")
        assert not [s for s in found if barred(s, JUDGED)]
        with pytest.raises(ValueError, match="401 peptides of 2 residues"):
            sequences(401, 0, JUDGED, 1)

    @pytest.mark.parametrize(("letters", "formula"), [
        ("AG", {1: 10, 6: 5, 7: 2, 8: 3}),
        ("GG", {1: 8, 6: 4, 7: 2, 8: 3}),
        ("CP", {1: 14, 6: 8, 7: 2, 8: 3, 16: 1}),
    ])  # fmt: skip
    def test_formula_of_the_zwitterion(self, letters, formula):
        from lib.make.peptides import peptide

        made = peptide(letters, 1)
        assert Counter(made["z"].tolist()) == formula
        degree = degrees(made["z"], made["pos"])
        assert (degree[made["z"] == 7].max(), degree[made["z"] == 1].max()) == (4, 1)
        assert (peptide(letters, 1)["pos"] == made["pos"]).all()


def test_the_shipped_windows_hold_no_judged_peptide(shipped_data):
    path = shipped_data / "mini-windows" / "molecules.h5"
    if not path.exists():
        pytest.skip("data/mini-windows is missing; `dvc pull data` fetches it")
    made = load_molecules(path)
    short = [name for name in set(made.smiles) if name.isalpha()]
    assert len(short) > 100
    assert not [name for name in short if barred(name, JUDGED)]
    for i in np.flatnonzero(made.sizes == sum(DIPEPTIDE.values())):
        assert Counter(made.z[made.offsets[i] : made.offsets[i + 1]].tolist()) != DIPEPTIDE
    held = {str(name) for name in made.smiles[made.split > 0]}
    assert not held & {str(name) for name in made.smiles[made.split == 0]}


def test_the_shipped_windows_come_from_this_code(shipped_data):
    if not (shipped_data / "mini-windows" / "card.json").exists():
        pytest.skip("data/mini-windows is missing; `dvc pull data` fetches it")
    assert window_difference("mini-windows", n_peptides=0) <= 2e-3  # both are rounded to 0.001 Å
