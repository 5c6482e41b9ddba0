"""The tables of docs/explanation/monitoring.md: delays by drift and volume, and false alarms by rule."""

from collections.abc import Iterator, Sequence
from math import log

import numpy as np
from scipy.stats import chi2

from simulation.outcomes import CalibrationRuns, Truth
from simulation.populations import Floats, Integers, Population
from simulation.streams import DRIFTS, THRESHOLD, Course, Delay, Year, days_to_alarm, drifting, quiet_year
from simulation.vectorised import psi

HORIZON = 90
STRICT = THRESHOLD + log(5)
"""At alpha 0.01."""


def delays(population: Population, seeds: int, volumes: Sequence[int] = (300, 3_000, 30_000)) -> Iterator[str]:
    for name in DRIFTS:
        drift = drifting(population, name)
        for volume in volumes:
            for reference in (12_000, 36_457):
                course = Course(reference, volume, 100, HORIZON)
                found = [days_to_alarm(drift, np.random.default_rng(seed), course) for seed in range(seeds)]
                yield f"{name}, {volume} a day, reference {reference}: {_summary(found)}"


def _summary(found: Sequence[Delay]) -> str:
    missed = HORIZON + 1
    plain, floored = (
        _quantiles([one.alarm or missed for one in found]),
        _quantiles([one.floored or missed for one in found]),
    )
    hidden = sum(one.floored is None for one in found) / len(found)
    slow = [one.psi or missed for one in found]
    return f"{plain}; with the floor {floored} ({hidden:.0%} not found); PSI > 0.10 {_quantiles(slow)}"


def _quantiles(days: Sequence[int]) -> str:
    shown = (f"{value:g}" if value <= HORIZON else "-" for value in (np.median(days), np.quantile(days, 0.9)))
    return "/".join(shown)


def false_years(population: Population, years: dict[int, int]) -> Iterator[str]:
    """`years`: how many are simulated for each number of decisions a day."""
    for volume, seeds in years.items():
        for reference in (12_000, 36_457):
            hits = np.zeros(5)
            for seed in range(seeds):
                year = quiet_year(population, np.random.default_rng(seed), reference, (365, volume))
                hits += _rules(year)
            shares = hits / seeds
            yield (
                f"{volume} a day, reference {reference}, {seeds} years: alpha 0.05 {shares[0]:.4f}, 0.01 {shares[1]:.4f}, "
                f"PSI > 0.10 {shares[2]:.3f}, chi-square daily {shares[3]:.3f} ({shares[4]:.0f} days a year)"
            )


def _rules(year: Year) -> Floats:
    pairs = [(year.reference[name], days) for name, days in year.days.items()]
    daily = np.any([_daily_p(reference, days) < 0.05 for reference, days in pairs], axis=0)
    return np.array(
        [
            bool(year.false_alarms(floor=0.0)),
            bool(year.false_alarms(floor=0.0, threshold=STRICT)),
            any(bool((psi(reference, _last_30_days(days)) > 0.10).any()) for reference, days in pairs),
            daily.any(),
            daily.sum(),
        ]
    )


def _last_30_days(days: Integers) -> Integers:
    sums = np.vstack([np.zeros((1, days.shape[1]), dtype=np.int64), days.cumsum(axis=0)])
    return np.asarray(sums[30:] - sums[:-30])


def _daily_p(reference: Integers, days: Integers) -> Floats:
    """Of the chi-square test of a day against the reference, two samples."""
    used = (reference + days.sum(axis=0)) > 0
    r, x = reference[used], days[:, used]
    n, size = x.sum(axis=1, keepdims=True), r.sum()
    pooled = (x + r) / (n + size)
    statistic = ((x - n * pooled) ** 2 / (n * pooled)).sum(axis=1) + ((r - size * pooled) ** 2 / (size * pooled)).sum(
        axis=1
    )
    return np.asarray(chi2.sf(statistic, used.sum() - 1))


def calibration_delays(population: Population, seeds: int) -> Iterator[str]:
    runs = CalibrationRuns(population)
    truths: tuple[Truth, ...] = ("risk x1.25", "risk x1.5", "risk x2", "useless")
    for truth in truths:
        found = [runs.run(truth, np.random.default_rng(1_000 + seed), 180 + seed % 30, 700) for seed in range(seeds)]
        days, defaults = [one.days if one else 701 for one in found], [one.defaults for one in found if one]
        missed = sum(one is None for one in found)
        yield (
            f"{truth}: median {np.median(defaults):.0f} defaults, days {np.median(days):g}/{np.quantile(days, 0.9):g}, "
            f"{missed} of {seeds} not in 700 days"
        )
