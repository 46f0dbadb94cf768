"""Loss against size: power laws with and without a floor, fitted, compared and put to the test of a prediction.

For a given exponent the other parameters of a power law are linear, so the only search is over the exponent (variable
projection): no starting values, no local minima. Residuals are relative to the mean loss at each size.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, minimize_scalar

from lib.measure.metric import interval
from lib.measure.stats import percentile_interval


FORMS = {"constant": 1, "pure": 2, "floor": 3, "broken": 4}  # parameters, without the width of the noise
EXPONENTS = np.geomspace(0.01, 4, 241)


@dataclass(frozen=True)
class Fit:
    """loss(N) = known + floor + amplitude (N / N0)^-exponent, N0 the geometric mean of the sizes.

    form: one of FORMS. known: loss that no size can remove, given and not fitted. `broken` has `exponent` up to the
    size `break_size` and `second` beyond it. aicc: corrected Akaike criterion; smaller is better, infinite where there
    are too few losses for the form.
    """

    form: str
    known: float
    floor: float
    amplitude: float
    exponent: float
    scale: float
    aicc: float
    break_size: float = np.inf
    second: float = 0.0

    def __call__(self, sizes) -> np.ndarray:
        """Loss at sizes (n,)."""
        x = np.log(np.asarray(sizes, float) / self.scale)
        bend = np.log(self.break_size / self.scale)
        power = -self.exponent * np.minimum(x, bend) - self.second * np.maximum(x - bend, 0)
        return self.known + self.floor + self.amplitude * np.exp(power)


def check(sizes, losses, known: float) -> tuple[np.ndarray, np.ndarray]:
    """The same as float arrays (n,); raises ValueError for what no curve can be fitted to."""
    sizes, losses = np.asarray(sizes, float).ravel(), np.asarray(losses, float).ravel()
    if sizes.shape != losses.shape:
        raise ValueError(f"{len(sizes)} sizes and {len(losses)} losses, expected one loss a run")
    if not (np.isfinite(sizes).all() and np.isfinite(losses).all() and (sizes > 0).all() and (losses > 0).all()):
        raise ValueError(f"sizes {sizes} and losses {losses}, expected positive finite numbers")
    if len(np.unique(sizes)) < 3:
        raise ValueError(f"{len(np.unique(sizes))} different sizes, expected at least 3 to fit a curve")
    if not (np.isfinite(known) and 0 <= known < losses.min()):
        raise ValueError(f"known floor {known}, expected a number from 0 to below the smallest loss {losses.min():g}")
    return sizes, losses


def weights(sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """(n,) one over the mean loss of the runs of the same size: noise is relative to the loss."""
    _, group = np.unique(sizes, return_inverse=True)
    return (np.bincount(group) / np.bincount(group, losses))[group]


def project(x: np.ndarray, y: np.ndarray, w: np.ndarray, counts: np.ndarray, form: str, exponents: np.ndarray):
    """Best floor and amplitude, neither negative, for each exponent and each row of counts.

    x: (n,) log sizes; y, w: (n,) losses and weights; counts: (draw, n) how often each run is used; exponents: (a,) or
    (draw, a). Gives floor, amplitude and sum of squared weighted residuals, each (draw, a).
    """
    basis = np.exp(-np.atleast_2d(exponents)[:, None, :] * x[:, None]) * w[:, None]  # (1 or draw, n, a)
    sums = lambda values: np.matmul(counts[:, None, :], values)[:, 0]  # noqa: E731
    ff, fy, f1 = sums(basis**2), sums(basis * (w * y)[:, None]), sums(basis * w[:, None])
    yy, oo, oy = ((counts * v).sum(1)[:, None] for v in ((w * y) ** 2, w**2, w**2 * y))
    if form == "pure":
        floor, amplitude = np.zeros_like(ff), np.maximum(fy / ff, 0)
    else:
        determinant = np.maximum(ff * oo - f1**2, 1e-300)
        floor, amplitude = (oy * ff - f1 * fy) / determinant, (oo * fy - f1 * oy) / determinant
        amplitude = np.where(floor < 0, fy / ff, amplitude)
        floor = np.where(amplitude < 0, oy / oo, np.maximum(floor, 0))
        amplitude = np.maximum(amplitude, 0)
    rss = yy - 2 * (floor * oy + amplitude * fy) + floor**2 * oo + 2 * floor * amplitude * f1 + amplitude**2 * ff
    return floor, amplitude, np.maximum(rss, 0)


def aicc(rss: float, n: int, parameters: int) -> float:
    """Corrected Akaike criterion of a Gaussian fit; the width of the noise counts as one parameter more."""
    k = parameters + 1
    if n <= k + 1:
        return np.inf
    return n * np.log(max(rss, n * 1e-24) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def fit(sizes, losses, form: str = "floor", known: float = 0.0) -> Fit:
    """Fit one of FORMS to losses (n,) of runs of sizes (n,), several runs a size where there are several seeds.

    known: an analytic floor, below which no loss can lie; `pure` is then a power law above it, and `floor` asks for
    more floor than that. Raises ValueError for an unknown form and for what no curve can be fitted to.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    sizes, losses = check(sizes, losses, known)
    scale, w = float(np.exp(np.log(sizes).mean())), weights(sizes, losses)
    x, y, n = np.log(sizes / scale), losses - known, len(sizes)
    if form == "constant":
        floor = float((w**2 * y).sum() / (w**2).sum())
        return Fit(form, known, floor, 0.0, 0.0, scale, aicc(float((w**2 * (y - floor) ** 2).sum()), n, FORMS[form]))
    if form == "broken":
        return fit_broken(x, y, w, known, scale)
    one = np.ones((1, n))
    best = int(np.argmin(project(x, y, w, one, form, EXPONENTS)[2][0]))

    def at(exponent: float) -> tuple[float, float, float]:
        floor, amplitude, _ = (float(v[0, 0]) for v in project(x, y, w, one, form, np.array([exponent])))
        residual = w * (y - floor - amplitude * np.exp(-exponent * x))  # exact where the sums of `project` cancel
        return floor, amplitude, float((residual**2).sum())

    bounds = EXPONENTS[max(best - 1, 0)], EXPONENTS[min(best + 1, len(EXPONENTS) - 1)]
    exponent = float(minimize_scalar(lambda a: at(a)[2], bounds=bounds, method="bounded", options={"xatol": 1e-7}).x)
    floor, amplitude, rss = at(exponent)
    return Fit(form, known, floor, amplitude, exponent, scale, aicc(rss, n, FORMS[form]))


def fit_broken(x: np.ndarray, y: np.ndarray, w: np.ndarray, known: float, scale: float) -> Fit:
    """Two power laws that meet, the break looked for between the second and the last but one size."""
    distinct = np.unique(x)
    model = lambda p, bend: np.exp(p[0] - p[1] * np.minimum(x, bend) - p[2] * np.maximum(x - bend, 0))  # noqa: E731
    best = None
    for bend in np.linspace(distinct[1], distinct[-2], 41) if len(distinct) > 3 else distinct[1:2]:
        hinge = np.stack([np.ones_like(x), -np.minimum(x, bend), -np.maximum(x - bend, 0)], 1)
        start = np.linalg.lstsq(hinge * (w * y)[:, None], np.log(y) * w * y, rcond=None)[0]
        rss = float((w**2 * (model(start, bend) - y) ** 2).sum())
        if best is None or rss < best[0]:
            best = rss, start, bend
    bend = best[2]
    found = least_squares(lambda p: w * (model(p, bend) - y), best[1])
    level, first, second = found.x
    rss = float((found.fun**2).sum())
    bent = {"break_size": scale * float(np.exp(bend)), "second": float(second)}
    return Fit("broken", known, 0.0, float(np.exp(level)), float(first), scale, aicc(rss, len(x), 4), **bent)


def compare(sizes, losses, known: float = 0.0) -> dict[str, Fit]:
    """Every form fitted to the same losses, in the order of FORMS; the one of the smallest AICc is to be preferred."""
    return {form: fit(sizes, losses, form, known) for form in FORMS}


def resample(sizes: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, n) how often each run (size, seed) is drawn; a draw keeps at least 3 different sizes."""
    random, (_, group) = np.random.default_rng(seed), np.unique(sizes, return_inverse=True)
    member = np.eye(group.max() + 1)[group]
    kept = np.empty((0, len(sizes)))
    while len(kept) < draws:
        counts = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=draws).astype(float)
        kept = np.concatenate([kept, counts[(counts @ member > 0).sum(1) >= 3]])
    return kept[:draws]


def bootstrap(
    sizes, losses, at=(), form: str = "floor", known: float = 0.0, draws: int = 500, seed: int = 0
) -> dict[str, np.ndarray]:
    """Draws of exponent, floor, amplitude (draws,), of the loss `at` other sizes (draws, m) and of the squared error.

    Runs (size, seed) are drawn again with replacement and the form, "pure" or "floor", is fitted to each draw.
    "rss": (draws,) sum of squared residuals. Raises ValueError as `fit` does.
    """
    if form not in ("pure", "floor"):
        raise ValueError(f"form to bootstrap is {form!r}, expected pure or floor")
    sizes, losses = check(sizes, losses, known)
    scale, w = float(np.exp(np.log(sizes).mean())), weights(sizes, losses)
    x, y, counts = np.log(sizes / scale), losses - known, resample(sizes, draws, seed)
    row, grid = np.arange(draws), np.broadcast_to(EXPONENTS, (draws, len(EXPONENTS)))
    found = project(x, y, w, counts, form, EXPONENTS)
    for _ in range(2):  # look closer around the best exponent of each draw
        best = np.argmin(found[2], axis=1)
        low, high = grid[row, np.maximum(best - 1, 0)], grid[row, np.minimum(best + 1, grid.shape[1] - 1)]
        grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 13)
        found = project(x, y, w, counts, form, grid)
    best = np.argmin(found[2], axis=1)
    floor, amplitude, rss = (v[row, best] for v in found)
    exponent = grid[row, best]
    power = np.exp(-exponent[:, None] * np.log(np.asarray(at, float) / scale)) if len(at) else np.empty((draws, 0))
    predicted = known + floor[:, None] + amplitude[:, None] * power
    return {"exponent": exponent, "floor": floor, "amplitude": amplitude, "at": predicted, "rss": rss}


def advantage(sizes, losses, known: float = 0.0, draws: int = 500, seed: int = 0, level: float = 0.95) -> dict:
    """AICc of the pure power law minus that of the law with a floor, as a metric: positive favours the floor.

    Raises ValueError for fewer than 6 losses, for which the criterion is not defined, and as `fit` does.
    """
    n = len(np.ravel(losses))
    if n < 6:
        raise ValueError(f"{n} losses, expected at least 6 to compare a law of three parameters with another")
    both = [fit(sizes, losses, form, known).aicc for form in ("pure", "floor")]
    redrawn = []
    for form in ("pure", "floor"):
        rss = np.maximum(bootstrap(sizes, losses, (), form, known, draws, seed)["rss"], n * 1e-24)
        redrawn.append(n * np.log(rss / n) + aicc(n, n, FORMS[form]))
    difference = redrawn[0] - redrawn[1]
    tolerance = 3 * float(difference.std())
    return interval(both[0] - both[1], *percentile_interval(difference, level), n, "", tolerance)


@dataclass(frozen=True)
class Prediction:
    """The loss of the largest size as foretold from the others, its interval, and what was found there."""

    size: float
    predicted: float
    low: float
    high: float
    found: float
    spread: float

    @property
    def error(self) -> float:
        """Predicted minus found, relative to what was found."""
        return self.predicted / self.found - 1


def predict_largest(
    sizes, losses, form: str = "floor", known: float = 0.0, draws: int = 500, seed: int = 0, level: float = 0.95
) -> Prediction:
    """Fit without the largest size, predict its loss, then look. spread: standard deviation there over seeds.

    Raises ValueError when fewer than 3 sizes are left to fit.
    """
    sizes, losses = np.asarray(sizes, float).ravel(), np.asarray(losses, float).ravel()
    largest = sizes == sizes.max()
    rest = sizes[~largest], losses[~largest]
    value = float(fit(*rest, form, known)([sizes.max()])[0])
    drawn = bootstrap(*rest, [sizes.max()], form, known, draws, seed)["at"][:, 0]
    there = losses[largest]
    spread = float(there.std(ddof=1)) if len(there) > 1 else float("nan")
    low, high = percentile_interval(drawn, level)
    return Prediction(float(sizes.max()), value, low, high, float(there.mean()), spread)
