import mdtraj
import numpy as np
import pytest
import torch
from deeptime.markov.msm import MarkovStateModel

from lib.dynamics import recipe, toy
from lib.dynamics.spectrum import leading_functions, score_of_times, slowdown
from lib.dynamics.vamp import rewhitened_score
from lib.dynamics.vampnet import transform
from lib.paths import ROOT


CHAIN = toy.metastable_chain(4, 0.95)
STATES = toy.simulate_chain(CHAIN, 4000, 3, 0)
SEEN = [np.eye(4)[s].astype(np.float32) for s in STATES]
SEEN = [x + 0.1 * np.random.default_rng(i).standard_normal(x.shape).astype(np.float32) for i, x in enumerate(SEEN)]


def test_the_recipe_finds_the_states_of_a_chain_and_its_outputs_are_probabilities():
    lobe, reported = recipe.train_as_tutorial(SEEN[:2], 1, 4, 0, epochs=15, batch=500)
    outputs = transform(lobe, SEEN[2:])
    np.testing.assert_allclose(outputs[0].sum(1), 1, atol=1e-5)
    exact = toy.exact_vamp2(CHAIN, 1)
    assert rewhitened_score(outputs, 1) == pytest.approx(exact, abs=0.15)
    assert reported == pytest.approx(exact, abs=0.15)


def test_the_recipe_depends_on_its_seed_only():
    before = torch.get_rng_state()
    first, again, other = (recipe.train_as_tutorial(SEEN, 1, 4, seed, epochs=1, batch=2000)[1] for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())


def test_the_network_is_that_of_the_tutorial():
    lobe = recipe.softmax_lobe(30, 6)
    assert [tuple(p.shape) for n, p in lobe.named_parameters() if n.endswith("weight")] == [
        (30,), (20, 30), (20, 20), (20, 20), (20, 20), (20, 20), (6, 20)]  # fmt: skip


def test_positions_do_not_see_how_a_frame_lies():
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "ala2.pdb"))
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    moved = mdtraj.Trajectory((start.xyz @ turn.T + 0.7).astype(np.float32), start.topology)
    found = [recipe.heavy_positions(f, start) for f in (start, moved)]
    assert found[0].shape == (1, 30)
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    distance = np.linalg.norm(np.diff(found[0].reshape(10, 3)[[0, 9]], axis=0))
    heavy = start.topology.select("element != H")
    assert distance == pytest.approx(np.linalg.norm(start.xyz[0, heavy[0]] - start.xyz[0, heavy[9]]), abs=1e-5)


def test_superposition_is_the_nearest_rotation():
    start = mdtraj.load(str(ROOT / "lib" / "make" / "start" / "ala2.pdb"))
    noise = 0.05 * np.random.default_rng(2).standard_normal((5, start.n_atoms, 3))
    frames = mdtraj.Trajectory((start.xyz + noise).astype(np.float32), start.topology)
    heavy = start.topology.select("element != H")
    target = start.xyz[0, heavy] - start.xyz[0, heavy].mean(0)
    found = recipe.heavy_positions(frames, start).reshape(5, 10, 3)
    np.testing.assert_allclose(
        np.sqrt(np.square(found - target).sum(2).mean(1)),
        mdtraj.rmsd(frames.atom_slice(heavy), start.atom_slice(heavy)),
        rtol=1e-3,
    )
    mirrored = mdtraj.Trajectory((start.xyz * [1, 1, -1]).astype(np.float32), start.topology)
    assert np.square(recipe.heavy_positions(mirrored, start).reshape(10, 3) - target).sum() > 0.05  # not reflected


def test_leading_functions_of_cells_reach_the_exact_score():
    random = np.random.default_rng(1)
    cells = [4 * random.integers(5, size=len(s)) + s for s in STATES]  # five cells a state, no dynamics between them
    functions = leading_functions(cells[:2], cells[2:], 1, 3)
    assert functions[0].shape == (4000, 3)
    assert rewhitened_score(functions, 1) == pytest.approx(toy.exact_vamp2(CHAIN, 1), abs=0.1)
    one = leading_functions(cells[:2], cells[2:], 1, 1)
    assert rewhitened_score(one, 1) == pytest.approx(1 + 0.95**2, abs=0.05)
    with pytest.raises(ValueError, match="20 cells, expected more than the 20 functions"):
        leading_functions(cells, cells, 1, 20)


def test_score_of_times_is_that_of_the_chain():
    times = MarkovStateModel(CHAIN).timescales()
    for lag in (1, 3, 10):
        assert score_of_times(times, lag) == pytest.approx(toy.exact_vamp2(CHAIN, lag))


def test_slowdown_gives_the_score_that_was_asked_for():
    times = np.array([100.0, 10.0, 3.0])
    factor = slowdown(times, 10.0, 3.2)
    assert factor > 1
    assert score_of_times(factor * times, 10.0) == pytest.approx(3.2)
    assert slowdown(times, 10.0, score_of_times(times, 10.0)) == pytest.approx(1)
    for score in (1.0, 4.0):
        with pytest.raises(ValueError, match="3 processes score between 1 and 4"):
            slowdown(times, 10.0, score)
