"""Simulated outcomes: calibration over months, and two models of no use."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prediction_service.monitoring.calibration import START_MONTHS
from prediction_service.monitoring.comparison import BETS, LARGEST_GAIN
from prediction_service.monitoring.evidence import monthly_threshold
from prediction_service.monitoring.ranking import auc_difference
from simulation.populations import Floats, Population
from simulation.streams import STREAMS
from simulation.vectorised import calibration_log_e, grid_arguments, grid_losses

PER_DAY, MONTH = 300, 30
Truth = Literal["as foretold", "risk x1.1", "risk x1.25", "risk x1.5", "risk x2", "useless"]


@dataclass(frozen=True)
class Found:
    """Days and defaults from the change to the alarm."""

    days: int
    defaults: int


class CalibrationRuns:
    """Runs of 300 outcomes a day. Looked at daily; windows start with every month of 30 days."""

    def __init__(self, population: Population) -> None:
        self._odds = population.log_odds
        mean = float(self._odds.mean())
        self._arguments = grid_arguments(self._odds, mean)
        self._losses = grid_losses(self._odds, mean)
        self._probability = population.probability

    def _true(self, truth: Truth) -> Floats:
        if truth == "as foretold":
            return self._probability
        if truth == "useless":
            return np.full_like(self._probability, self._probability.mean())
        return self._probability * float(truth.removeprefix("risk x"))

    def run(self, truth: Truth, rng: np.random.Generator, quiet: int, days: int) -> Found | None:
        """The first alarm after `quiet` days as foretold and at most `days` of the truth; None without one."""
        sums, defaults = self._daily(truth, rng, quiet, days)
        total = np.vstack([np.zeros((1, sums.shape[1])), sums.cumsum(axis=0)])
        threshold = monthly_threshold(STREAMS)
        for day in range(quiet, quiet + days):
            starts = np.arange(0, day + 1, MONTH)[-START_MONTHS:]
            if calibration_log_e(total[day + 1] - total[starts]).max() >= threshold:
                return Found(day - quiet + 1, int(defaults[quiet : day + 1].sum()))
        return None

    def _daily(self, truth: Truth, rng: np.random.Generator, quiet: int, days: int) -> tuple[Floats, Floats]:
        risk, sums, defaults = self._true(truth), [], []
        for day in range(quiet + days):
            rows = rng.integers(len(self._odds), size=PER_DAY)
            y = rng.random(PER_DAY) < (risk if day >= quiet else self._probability)[rows]
            sums.append(self._arguments[rows[y]].sum(axis=0) - self._losses[rows].sum(axis=0))
            defaults.append(y.sum())
        return np.array(sums), np.array(defaults)


@dataclass(frozen=True)
class Promotion:
    """Whether E reached 20 at any time, and whether the AUC then allowed to promote."""

    evidence: bool
    promoted: bool


def useless_models(population: Population, rng: np.random.Generator, defaults: int = 2_000) -> Promotion:
    """Champion and challenger have the probabilities of the population, in two orders that know nothing of the outcomes."""
    rate = population.probability.mean()
    size = round(defaults / rate)
    champion, challenger = (rng.choice(population.probability, size) for _ in range(2))
    y = rng.random(size) < rate
    gains = np.where(y, np.log(challenger / champion), np.log((1 - challenger) / (1 - champion)))
    gains = gains.clip(-LARGEST_GAIN, LARGEST_GAIN)
    capital = np.array([np.log1p(bet * gains).cumsum() for bet in BETS])
    evidence = np.logaddexp.reduce(capital, axis=0) - np.log(len(BETS))
    reached = np.flatnonzero(evidence >= np.log(20))
    if not len(reached):
        return Promotion(evidence=False, promoted=False)
    at = int(reached[0]) + 1
    difference = auc_difference(challenger[:at].tolist(), champion[:at].tolist(), y[:at].tolist())
    return Promotion(evidence=True, promoted=difference.interval.low > -0.02)
