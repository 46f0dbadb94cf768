import numpy as np
import pytest

from lib.measure import scaling


def runs(law, decades, sizes, seeds, noise, random, start=1e5):
    """Sizes and losses (size * seed,) of runs whose losses scatter around a law by a relative `noise`."""
    n = np.repeat(start * 10 ** np.linspace(0, decades, sizes), seeds)
    return n, law(n / start) * np.exp(noise * random.standard_normal(len(n)))


def floored(x):
    return 0.6 + 0.4 * x**-0.5


def pure(x):
    return x**-0.1


def bent(x):
    return np.where(x < 10, x**-0.4, 10**-0.4 * (x / 10) ** -0.05)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("exponent", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("known", [0.0, 0.08])
def test_exact_losses_give_the_exact_law(exponent, known):
    sizes = np.geomspace(1e3, 1e5, 6)
    law = lambda n: known + 0.3 + 0.4 * (np.asarray(n) / 1e3) ** -exponent  # noqa: E731
    found = scaling.fit(sizes, law(sizes), known=known)
    assert found.exponent == pytest.approx(exponent, rel=1e-4)
    assert found.floor == pytest.approx(0.3, rel=1e-3)
    np.testing.assert_allclose(found([1e3, 1e7]), law([1e3, 1e7]), rtol=1e-3)


def test_exact_pure_and_broken_laws():
    sizes = np.geomspace(1e3, 1e5, 9)
    law = scaling.fit(sizes, 5 * sizes**-0.3, "pure")
    assert (law.exponent, law.floor) == (pytest.approx(0.3, rel=1e-5), 0)
    law = scaling.fit(sizes, bent(sizes / 1e3), "broken")
    assert (law.exponent, law.second) == (pytest.approx(0.4, rel=1e-3), pytest.approx(0.05, rel=1e-3))
    assert law.break_size == pytest.approx(1e4, rel=1e-3)
    np.testing.assert_allclose(law(sizes), bent(sizes / 1e3), rtol=1e-4)


def test_no_parameter_is_negative_where_the_data_ask_for_it(random):
    sizes = np.geomspace(1e3, 1e5, 6)
    rising = scaling.fit(sizes, 0.5 + 0.1 * np.log10(sizes / 1e3))
    assert rising.amplitude >= 0
    assert rising.floor == pytest.approx(0.6, abs=0.03)
    assert scaling.fit(sizes, 1 - 0.1 * np.log10(sizes / 1e3)).floor == 0  # steeper than any power law: no floor


def test_projection_is_the_best_of_all_parameters(random):
    """Brute force over floor and amplitude at one exponent."""
    sizes, losses = runs(floored, 2, 6, 1, 0.05, random)
    w, x = 1 / losses, np.log(sizes)
    floor, amplitude, rss = scaling.project(x - x.mean(), losses, w, np.ones((1, 6)), "floor", np.array([0.4]))
    e, a = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 401))
    model = e[..., None] + a[..., None] * np.exp(-0.4 * (x - x.mean()))
    grid = ((w * (model - losses)) ** 2).sum(-1)
    assert rss[0, 0] <= grid.min() * (1 + 1e-9)
    assert (floor[0, 0], amplitude[0, 0]) == (
        pytest.approx(e.ravel()[grid.argmin()], abs=0.02),
        pytest.approx(a.ravel()[grid.argmin()], abs=0.02),
    )


@pytest.mark.parametrize(("decades", "sizes"), [(1.8, 4), (2.0, 6)])
def test_intervals_cover_the_truth_in_the_published_design(random, decades, sizes):
    """Widths 64 to 512 span 1.8 decades of parameters; three seeds, 2 % noise, law .6 + .4 N^-.5; nominally 90 %."""
    repeats, hits, at = 150, dict.fromkeys(("exponent", "floor", "at"), 0), 1e5 * 10 ** (decades + 1)
    truth = {"exponent": 0.5, "floor": 0.6, "at": floored(at / 1e5)}
    found = []
    for repeat in range(repeats):
        n, losses = runs(floored, decades, sizes, 3, 0.02, random)
        drawn = scaling.bootstrap(n, losses, [at], draws=200, seed=repeat)
        for name, value in truth.items():
            low, high = np.quantile(drawn[name], [0.05, 0.95])
            hits[name] += bool(low <= value <= high)
        found.append(scaling.fit(n, losses).exponent)
    assert np.median(found) == pytest.approx(0.5, abs=0.03)
    for name, count in hits.items():
        assert 0.80 <= count / repeats <= 0.97, name


@pytest.mark.parametrize(
    ("law", "name", "rate"), [(floored, "floor", 0.8), (pure, "pure", 0.75), (bent, "broken", 0.8)]
)
def test_the_right_form_has_the_smallest_criterion(random, law, name, rate):
    best = []
    for _ in range(40):
        fits = scaling.compare(*runs(law, 2, 7, 3, 0.01, random))
        best.append(min(fits, key=lambda form: fits[form].aicc))
    assert best.count(name) / len(best) >= rate, best


def test_a_constant_is_preferred_where_nothing_changes(random):
    best = []
    for _ in range(40):
        fits = scaling.compare(*runs(lambda x: np.full_like(x, 0.7), 2, 6, 3, 0.01, random))
        best.append(min(fits, key=lambda form: fits[form].aicc))
    assert best.count("constant") >= 30


def test_advantage_finds_every_floor_and_invents_none(random):
    for _ in range(20):
        assert scaling.advantage(*runs(floored, 2, 6, 3, 0.01, random), draws=100)["low"] > 0
        assert scaling.advantage(*runs(pure, 2, 6, 3, 0.01, random), draws=100)["low"] < 0


def test_advantage_needs_six_losses():
    with pytest.raises(ValueError, match="4 losses, expected at least 6"):
        scaling.advantage([1, 2, 3, 4], [4, 3, 2, 1])


def test_a_known_floor_is_no_saturation(random):
    """A pure law above the analytic floor looks saturated unless that floor is taken into account."""
    sizes, losses = runs(lambda x: 0.1 + 0.5 * x**-0.5, 2, 7, 3, 0.005, random)
    assert scaling.advantage(sizes, losses, draws=200)["low"] > 0
    assert scaling.advantage(sizes, losses, known=0.1, draws=200)["low"] < 0


def test_the_largest_size_is_predicted_without_looking_at_it(random):
    sizes, losses = runs(floored, 2, 6, 3, 0.005, random)
    told = scaling.predict_largest(sizes, losses)
    assert told.low < told.predicted < told.high
    assert told.error == pytest.approx(0, abs=0.03)
    losses[sizes == sizes.max()] *= 2
    again = scaling.predict_largest(sizes, losses)
    assert again.predicted == told.predicted
    assert again.found == pytest.approx(2 * told.found)
    assert scaling.predict_largest(sizes, losses, "pure").predicted < told.predicted


def test_draws_depend_on_the_seed_alone(random):
    data = runs(floored, 2, 6, 3, 0.02, random)
    same, other = (scaling.bootstrap(*data, draws=20, seed=s)["exponent"] for s in (0, 1))
    np.testing.assert_array_equal(same, scaling.bootstrap(*data, draws=20, seed=0)["exponent"])
    assert not np.array_equal(same, other)


def test_small_samples_are_not_overfitted():
    sizes = np.array([1e3, 1e4, 1e5])
    assert scaling.fit(sizes, [0.5, 0.4, 0.35], "floor").aicc == np.inf


@pytest.mark.parametrize(
    ("sizes", "losses", "options", "said"),
    [
        ([1, 2, 3], [1, 2], {}, "3 sizes and 2 losses"),
        ([1, 1, 2], [1, 2, 3], {}, "2 different sizes, expected at least 3"),
        ([1, 2, 3], [1, np.nan, 3], {}, "expected positive finite"),
        ([0, 2, 3], [1, 2, 3], {}, "expected positive finite"),
        ([1, 2, 3], [3, 2, 1], {"known": 1.0}, "known floor 1.0"),
        ([1, 2, 3], [3, 2, 1], {"form": "cubic"}, "form is 'cubic', expected one of constant, pure"),
    ],
)
def test_bad_input_is_named(sizes, losses, options, said):
    with pytest.raises(ValueError, match=said):
        scaling.fit(sizes, losses, **options)


def test_only_two_forms_can_be_redrawn():
    with pytest.raises(ValueError, match="'broken', expected pure or floor"):
        scaling.bootstrap([1, 2, 3], [3, 2, 1], form="broken")
