"""The formulas of stability and calibration over arrays of windows; tests hold them against the module's."""

import numpy as np
from scipy.special import gammaln

from prediction_service.monitoring.calibration import POINTS, SLOPES, TOLERATED
from prediction_service.monitoring.population import edges_of
from simulation.populations import Floats, Integers


def edges(sample: Floats) -> Floats:
    return np.array(edges_of(sample.tolist()))


def bins(values: Floats, limits: Floats) -> Integers:
    """As Quantity.bin_of: NaN is the last bin."""
    return np.where(np.isnan(values), len(limits) + 1, np.searchsorted(limits, values, side="left")).astype(np.int64)


def counts(found: Integers, size: int) -> Integers:
    return np.bincount(found, minlength=size)


def log_e(reference: Integers, windows: Integers, effect: float = 1.0) -> Floats:
    """Of windows with the bins in the last axis."""
    null = 0.5 + reference / effect
    other = null * (min(300.0, null.sum() / 8) / null.sum())
    totals = windows.sum(axis=-1) / effect
    result = gammaln(null).sum() - gammaln(other).sum() + gammaln(other.sum()) - gammaln(null.sum())
    result = result + gammaln(null.sum() + totals) - gammaln(other.sum() + totals)
    for index, (a, b) in enumerate(zip(null, other, strict=True)):
        x = windows[..., index]
        largest = int(x.max(initial=0))
        if largest < x.size:
            steps = np.arange(largest + 1) / effect
            result = result + (gammaln(b + steps) - gammaln(a + steps))[x]
        else:
            result = result + gammaln(b + x / effect) - gammaln(a + x / effect)
    return np.asarray(result)


def psi(reference: Integers, windows: Integers) -> Floats:
    size = len(reference)
    p = (reference + 0.5) / (reference.sum() + size / 2)
    q = (windows + 0.5) / (windows.sum(axis=-1, keepdims=True) + size / 2)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def sizes(reference: Integers, windows: Integers, effect: float = 1.0) -> Floats:
    used = ((windows > 0) | (reference > 0)).sum(axis=-1)
    noise = effect * (used - 1) * (1 / np.maximum(1, windows.sum(axis=-1)) + 1 / reference.sum())
    return np.asarray(np.maximum(0, psi(reference, windows) - noise))


def strongest_by_day(reference: Integers, days: Integers, effect: float = 1.0, skip: int = 0) -> tuple[Floats, Floats]:
    """Evidence after each day from `skip` on (the largest over the last 365 starts), and the size of its window."""
    sums = np.vstack([np.zeros((1, days.shape[1]), dtype=np.int64), days.cumsum(axis=0)])
    evidence, size = [], []
    for day in range(skip, len(days)):
        windows = sums[day + 1] - sums[max(0, day - 364) : day + 1]
        found = log_e(reference, windows, effect)
        best = int(found.argmax())
        evidence.append(found[best])
        size.append(sizes(reference, windows[best], effect))
    return np.array(evidence), np.array(size)


def grid_losses(log_odds: Floats, mean: float) -> Floats:
    """log(1 + exp z) of each client at each point of the calibration grid."""
    shift, slope = np.array(POINTS).T
    return np.asarray(np.logaddexp(0, mean + shift + slope * (log_odds[:, None] - mean)))


def grid_arguments(log_odds: Floats, mean: float) -> Floats:
    shift, slope = np.array(POINTS).T
    return np.asarray(mean + shift + slope * (log_odds[:, None] - mean))


def calibration_log_e(sums: Floats) -> Floats:
    """Of sums at the 189 points, in the last axis; d_y = 1."""
    weights = np.array([((b == 1) / 21 + (a == 0) / len(SLOPES) + 1 / len(POINTS)) / 3 for a, b in POINTS])
    top = sums.max(axis=-1, keepdims=True)
    mixture = top[..., 0] + np.log((weights * np.exp(sums - top)).sum(axis=-1))
    return np.asarray(mixture - sums[..., list(TOLERATED)].max(axis=-1))
