"""Modelled domains: covalent geometry, closed loops, handedness, hierarchy, and the relaxed result."""

import json

import mdtraj
import numpy as np
import pytest

from lib.data.domains import RESIDUES, SPLITS, TESTS, load, save
from lib.make import backbone, folds
from lib.make.backbone import build, extend, fragment, oxygens
from lib.make.card import versions
from lib.make.dynamics import START
from lib.make.relaxation import beta_carbons, left_handed
from lib.make.topologies import FOLDS, arrange, first_design


def angle(a, b, c):
    one, two = a - b, c - b
    cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    return np.degrees(np.arccos(cosine))


@pytest.fixture(scope="module")
def chains():
    """One chain of some folds."""
    made = {}
    for fold in ("meander-3", "beta-alpha-beta", "three-helix-left", "beta-hairpin"):
        random = np.random.default_rng(1)
        design = first_design(fold, random)
        made[fold] = build(arrange(fold, design, random, 0.2), random)
    return made


def test_bonds_and_angles_are_those_of_a_peptide(chains):
    for fold, atoms in chains.items():
        n, ca, c = atoms.transpose(1, 0, 2)
        np.testing.assert_allclose(np.linalg.norm(ca - n, axis=1), 1.458, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(c - ca, axis=1), 1.525, atol=1e-2)
        bond = np.linalg.norm(n[1:] - c[:-1], axis=1)
        assert np.abs(bond - 1.329).max() < 1.0, fold  # where a loop meets its anchor, within the closing tolerance
        assert np.median(np.abs(bond - 1.329)) < 1e-3
        assert 100 < np.median(angle(n, ca, c)) < 120
        step = np.linalg.norm(np.diff(ca, axis=0), axis=1)
        assert np.abs(step - 3.8).max() < 1.0, fold
        o = oxygens(atoms)
        np.testing.assert_allclose(np.linalg.norm(o - c, axis=1), 1.231, atol=1e-3)


def test_helices_rise_as_they_should():
    helix, strand = fragment("H", 12), fragment("E", 8)
    assert np.diff(helix[:, 1, 2]).mean() == pytest.approx(1.5, abs=0.1)
    assert np.linalg.norm(helix[:, 1, :2], axis=1).mean() == pytest.approx(2.3, abs=0.15)
    assert np.diff(strand[:, 1, 2]).mean() == pytest.approx(3.4, abs=0.15)
    assert strand[4, 1, 2] == pytest.approx(0, abs=1e-9)
    x, y = helix[:, 1, 0], helix[:, 1, 1]
    turn = np.unwrap(np.arctan2(y, x))
    assert np.degrees(np.diff(turn)).mean() == pytest.approx(100, abs=4), "right-handed, 3.6 residues a turn"


def test_extension_keeps_the_torsions():
    anchor = fragment("H", 1 + 3)[-1]
    made = extend(anchor, np.radians([10.0, 20, 30]), np.radians([-60.0, -70, -80]))
    again = backbone.place(made[1, 0], made[1, 1], made[1, 2], 1.329, np.radians(116.2), np.radians(30))
    np.testing.assert_allclose(again, made[2, 0], atol=1e-9)


def test_loops_stay_clear_of_the_rest(chains):
    for fold, atoms in chains.items():
        ca = atoms[:, 1]
        apart = np.linalg.norm(ca[:, None] - ca, axis=-1)
        far = np.abs(np.subtract.outer(np.arange(len(ca)), np.arange(len(ca)))) > 2
        assert apart[far].min() > 3.0, fold


def test_crossovers_are_right_handed(chains):
    """β-α-β: looking along the first strand with the helix above, the second strand lies to the right."""
    for seed in range(3):
        random = np.random.default_rng(seed)
        one, helix, two = arrange("beta-alpha-beta", first_design("beta-alpha-beta", random), random, 0.2)
        along = one.turn.apply([0, 0, 1])
        above, aside = helix.centre - (one.centre + two.centre) / 2, two.centre - one.centre
        assert np.dot(np.cross(along, above), aside) > 0


def test_every_fold_parses_and_builds_elements():
    for fold in FOLDS:
        random = np.random.default_rng(0)
        elements = arrange(fold, first_design(fold, random), random, 0.2)
        assert elements[-1].loop == 0
        assert all(e.residues >= 4 for e in elements)
    with pytest.raises(ValueError, match="not one of"):
        arrange("knot", None, None, 0.2)


@pytest.fixture(scope="module")
def made():
    from lib.make.folds import make

    return make(["beta-hairpin"], 0, 0, 1)


class TestRelaxed:
    def test_all_atoms_are_there(self, made):
        assert len(made.kind) > 15
        assert 0.4 < (made.z == 1).mean() < 0.6
        heavy = made.named("N", "CA", "C", "O")
        assert not np.isnan(heavy).any()
        glycine = made.kind == RESIDUES.index("GLY")
        assert (np.isnan(made.named("CB")[:, 0, 0]) == glycine).all()

    def test_amino_acids_are_left_handed(self, made):
        n, ca, c, cb = made.named("N", "CA", "C", "CB").transpose(1, 0, 2)
        assert (left_handed(n, ca, c, cb) == ~np.isnan(cb[:, 0])).all()

    def test_no_atoms_overlap(self, made):
        from scipy.spatial import cKDTree

        assert cKDTree(made.pos).query(made.pos, k=2)[0][:, 1].min() > 0.8

    def test_plan_holds_superfamilies_and_families_out(self):
        from lib.make.folds import PLAN

        assert len(set(PLAN)) == len(PLAN) == 25
        of = lambda split: [p for p in PLAN if p[3] == split]  # noqa: E731
        trained = of("training")
        superfamilies, families = {p[0] for p in trained}, {p[:2] for p in trained}
        assert not superfamilies & {p[0] for p in of("test_fold")}
        assert {p[0] for p in of("test_superfamily")} <= superfamilies
        assert not families & {p[:2] for p in of("test_superfamily")}
        assert {p[:2] for p in of("test_family")} <= families
        assert {p[3] for p in PLAN[:7]} == set(SPLITS) > set(TESTS)


def test_the_shipped_domains_are_of_amino_acids_of_life(shipped_data):
    domains = load(shipped_data / "mini-folds" / "domains.h5")
    n, ca, c, cb = domains.named("N", "CA", "C", "CB").transpose(1, 0, 2)
    assert (left_handed(n, ca, c, cb) == ~np.isnan(cb[:, 0])).all()


def test_a_mirrored_peptide_is_right_handed():
    pos = mdtraj.load(str(START / "hp35-model.pdb"))
    at = [[pos.xyz[0, r.atom(name).index] for name in ("N", "CA", "C", "CB")] for r in pos.topology.residues
          if any(a.name == "CB" for a in r.atoms)]  # fmt: skip
    n, ca, c, cb = np.array(at).transpose(1, 0, 2)
    assert left_handed(n, ca, c, cb).all()
    assert not left_handed(-n, -ca, -c, -cb).any()
    made = beta_carbons(np.stack([n, ca, c, c], 1) * 10)
    assert np.linalg.norm(made - 10 * cb, axis=1).max() < 0.5


class TestExtension:
    """A stored set of domains can be made longer."""

    @pytest.fixture
    def domains(self, shipped_data):
        return load(shipped_data / "mini-folds" / "domains.h5")

    def test_stored_domains_are_taken_as_they_are(self, domains, tmp_path, monkeypatch):
        def fail(*_):
            raise AssertionError("a stored domain was made anew")

        monkeypatch.setattr(folds, "make", fail)
        names = list(domains.classes)
        again = folds.make_all(names, 1, 1, tmp_path, 1, domains)
        first = domains.take(np.arange(len(names)))
        assert (again.name == first.name).all()
        assert (again.pos == first.pos).all()
        assert (again.atoms == first.atoms).all()

    def test_what_is_missing_is_made(self, domains, tmp_path, monkeypatch):
        calls = []
        monkeypatch.setattr(folds, "make", lambda _, fold, place, seed: calls.append((fold, place, seed)) or None)
        kept = domains.take(np.arange(1, 13))
        assert len(folds.make_all(list(domains.classes), 1, 1, tmp_path, 1, kept)) == 12
        assert calls == [(0, 0, 1)]
        folds.make_all(list(domains.classes), 1, 1, tmp_path, 1, kept)
        assert len(calls) == 1, "a place that failed is not tried again"

    def test_a_set_of_another_recipe_is_not_gone_on_from(self, domains, tmp_path):
        names = list(domains.classes)
        assert folds.stored(tmp_path, names, 1) is None
        save(domains, tmp_path / "domains.h5")
        card = {"settings": {"folds": names, "seed": 1, "members": 7}, "versions": versions(*folds.PACKAGES)}
        (tmp_path / "card.json").write_text(json.dumps(card))
        assert len(folds.stored(tmp_path, names, 1)) == len(domains)
        assert folds.stored(tmp_path, names, 2) is None
        assert folds.stored(tmp_path, names[1:], 1) is None
        (tmp_path / "card.json").write_text(json.dumps(card | {"versions": card["versions"] | {"openmm": "7.0"}}))
        assert folds.stored(tmp_path, names, 1) is None
