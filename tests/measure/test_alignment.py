"""Targets of two kinds, one of which the features hold: numbers and figures say so."""

import numpy as np
import pandas as pd
import pytest

from lib.measure.alignment import Targets, chance, explained, gain
from lib.measure.probes import ridge
from lib.show import alignment as show


@pytest.fixture(scope="module")
def case():
    """Features that hold phi and nothing of psi: three trajectories of slow series."""
    random = np.random.default_rng(0)
    walks = [np.cumsum(random.normal(size=(2, 600, 2)), axis=1) for _ in range(3)]
    smooth = [np.sin(w / 5) for w in walks]
    mix = random.normal(size=(2, 4))
    features = [s[0] @ mix + 0.01 * random.normal(size=(600, 4)) for s in smooth]
    return features, Targets({"phi": [s[0] for s in smooth], "psi": [s[1] for s in smooth]}, 50)


def test_what_is_there_is_found_and_what_is_not_is_not(case):
    features, targets = case
    parts = targets.probe(features, ridge)
    assert explained([parts["phi"]], 50)["low"] > 0.99
    assert explained([parts["psi"]], 50)["low"] < 0.05
    alike = targets.similarity(features)
    assert alike["CCA"]["phi"].min() > 0.99
    assert alike["CKA"]["phi"].min() > 0.5
    assert abs(alike["CKA"]["psi"].mean()) < 0.2


def test_shifted_series_are_not_predicted(case):
    features, targets = case
    runs = [targets.shifted(seed).probe(features, ridge)["phi"] for seed in range(4)]
    assert chance(runs)["value"] < 0.1
    assert targets.columns["phi"][0].std() == pytest.approx(targets.shifted(0).columns["phi"][0].std())


def test_a_gain_is_paired_and_has_its_sign(case):
    features, targets = case
    good = targets.probe(features, ridge)["phi"]
    noise = [f + np.random.default_rng(1).normal(size=f.shape) for f in features]
    bad = [targets.probe(noise, ridge)["phi"], targets.probe(noise[:2] + features[2:], ridge)["phi"]]
    found = gain([good], bad, 50)
    assert 0 < found["low"] < found["value"] < found["high"]
    same = gain([good], [good], 50)
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)


def test_figures_show_every_descriptor_with_its_unit(case):
    from lib.dynamics.descriptors import angles, lengths

    blocks = {"phi": angles(np.zeros((9, 1))), "rmsd": lengths(np.zeros((9, 1)))}
    values = {"phi": np.linspace(-180, 180, 9), "rmsd": np.arange(9.0)}
    figure = show.planes({"PCA": np.random.default_rng(0).normal(size=(9, 2))}, values, blocks)
    assert [a.get_title() for a in figure.axes[:2]] == ["φ (°)", "RMSD (Å)"]
    leaf = {"value": 0.9, "low": 0.8, "high": 0.95}
    figure = show.probes({"linear": {"a": {"phi": leaf, "rmsd": leaf}, "shifted": {"phi": leaf, "rmsd": leaf}}})
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["φ", "RMSD"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 0.1)
    rows = [(m, "phi", "a", y, 0.5) for m in ("R² linear", "CKA") for y in ("embedding", "1")]
    curves = pd.DataFrame(rows, columns=["measure", "descriptor", "features", "layer", "value"])
    assert show.depth(curves, {"CKA": {"phi": 0.1}}).axes[0].get_yscale() == "log"
    assert show.shown(leaf) == "0.900 (0.800 to 0.950)"
    assert show.shown(leaf | {"low": None}) == "0.900"
