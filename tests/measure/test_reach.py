"""Distances, ranks and coordination against textbook values; errors against what the training code computes."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from lib.make.matter import fragment
from lib.measure import reach
from lib.models import EncoderConfig, random_encoder
from lib.train.denoise import frame_error


@pytest.fixture(scope="module")
def encoder():
    return random_encoder(EncoderConfig(layers=1, hidden=16, rbf=8, cutoff=4.0, heads=4), 0).eval()


def test_the_training_data_lie_at_about_one_and_outliers_further():
    random = np.random.default_rng(0)
    mix = random.normal(size=(5, 5))
    training = random.normal(size=(5000, 5)) @ mix
    distance = reach.Mahalanobis(training)
    assert np.mean(distance(training) ** 2) == pytest.approx(1, abs=0.02)
    direction = np.array([[1.0, 0, 0, 0, 0]]) @ mix
    for size in (3, 10):
        assert distance(training.mean(0) + size * direction) == pytest.approx(size / np.sqrt(5), rel=0.1)
    constant = np.concatenate([training, np.full((5000, 1), 2.0)], 1)
    np.testing.assert_allclose(reach.Mahalanobis(constant)(constant), distance(training), rtol=1e-6)


def test_coordination_of_crystals_and_water():
    rock = fragment("MgO", 216)
    bonds, near = reach.coordination(rock.numbers, rock.positions).T
    inside = np.linalg.norm(rock.positions - rock.positions.mean(0), axis=1).argmin()
    assert bonds[inside] == 6
    assert near[inside] == sum(np.linalg.norm(rock.positions - rock.positions[inside], axis=1) <= 5) - 1
    drop = fragment("water", 8)
    bonds = reach.coordination(drop.numbers, drop.positions)[:, 0]
    assert set(bonds[drop.numbers == 8]) == {2}
    assert set(bonds[drop.numbers == 1]) == {1}


def test_the_denoising_error_is_that_of_the_training_code(encoder):
    drop = fragment("water", 4)
    found = reach.denoising_error(encoder, drop.numbers, drop.positions, 0.2, 3, seed=5)
    frames = np.repeat(drop.positions[None].astype(np.float32), 3, 0)
    assert found == pytest.approx(float(frame_error(encoder, drop.numbers, frames, 0.2, 5).mean()), rel=1e-4)


def test_the_excess_is_zero_at_the_floor_and_one_without_knowledge():
    assert reach.excess(2 / 30, 30) == pytest.approx(0)
    assert reach.excess(1, 30) == pytest.approx(1)


def test_features_do_not_turn_with_the_structure(encoder):
    drop = fragment("water", 4)
    turned = drop.positions @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    first, second = (reach.atom_features(encoder, drop.numbers, p) for p in (drop.positions, turned))
    assert first.shape == (12, 32)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_ranks_agree_with_scipy_and_scikit_learn():
    random = np.random.default_rng(1)
    x, y = random.integers(6, size=(2, 40)).astype(float)
    assert reach.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    broken = y > 3
    assert reach.auc(x, broken) == pytest.approx(roc_auc_score(broken, x))
    assert np.isnan(reach.auc(x, y > 99))


def test_the_trend_redraws_families():
    random = np.random.default_rng(2)
    families = np.repeat(np.arange(10), 5)
    x = np.repeat(random.normal(size=10), 5) + 0.01 * random.normal(size=50)
    found = reach.trend(x, -x, families, 100)
    assert found.value == pytest.approx(-1)
    assert np.ptp(reach.trend(x, random.normal(size=50), families, 100).draws) > 0.2
    with pytest.raises(ValueError, match="3 families, expected at least 4"):
        reach.trend(x[:15], x[:15], families[:15], 10)


def test_an_element_that_was_never_trained_has_a_row_all_the_same(encoder):
    salt = fragment("NaCl", 16)
    assert torch.isfinite(torch.from_numpy(reach.atom_features(encoder, salt.numbers, salt.positions))).all()
