"""Simulated days of one or all streams, without drift and with one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prediction_service.monitoring.evidence import daily_threshold
from prediction_service.monitoring.population import design_effect
from prediction_service.monitoring.stability import SIZE_FLOOR
from simulation.populations import RARE, Floats, Integers, Population
from simulation.vectorised import bins, counts, edges, psi, strongest_by_day

STREAMS = 8
THRESHOLD = daily_threshold(STREAMS)


@dataclass(frozen=True)
class Year:
    """Reference counts, decisions by day and bin, and design effect of each stream."""

    reference: dict[str, Integers]
    days: dict[str, Integers]
    effects: Mapping[str, float]

    def false_alarms(self, floor: float = SIZE_FLOOR, *, effects: bool = True, threshold: float = THRESHOLD) -> int:
        """Streams that alarm on at least one day."""
        alarms = 0
        for name, reference in self.reference.items():
            effect = self.effects[name] if effects else 1.0
            evidence, size = strongest_by_day(reference, self.days[name], effect)
            alarms += bool(((evidence >= threshold) & (size >= floor)).any())
        return alarms


def quiet_year(population: Population, rng: np.random.Generator, reference: int, shape: tuple[int, int]) -> Year:
    """`shape`: days, and decisions a day about different clients."""
    sample = rng.integers(population.size, size=reference)
    drawn = rng.integers(population.size, size=shape)
    return _year(population, sample, drawn, dict.fromkeys(population.streams, 1.0))


def _year(population: Population, sample: Integers, drawn: Integers, effects: Mapping[str, float]) -> Year:
    references, days = {}, {}
    for name, values in population.streams.items():
        limits = edges(values[sample])
        width = len(limits) + 2
        cells = bins(values, limits)
        references[name] = counts(cells[sample], width)
        offsets = np.arange(len(drawn))[:, None] * width
        days[name] = counts((cells[drawn] + offsets).ravel(), width * len(drawn)).reshape(len(drawn), width)
    return Year(references, days, effects)


def days_of_persons(population: Population, rng: np.random.Generator, days: int = 90, mean: float = 2.8) -> Year:
    """About 300 clients a day and 12,000 in the reference; the clients of a person are alike and come on one day."""
    sizes_ = rng.geometric(1 / mean, round(12_000 / mean))
    persons = np.repeat(np.arange(len(sizes_)), sizes_)
    sample = rng.integers(population.size, size=len(sizes_))[persons]
    per_day = round(300 / mean)
    arrivals = rng.geometric(1 / mean, (days, per_day))
    rows = rng.integers(population.size, size=(days, per_day))
    day_of = np.repeat(np.arange(days), arrivals.sum(axis=1))
    drawn = np.repeat(rows.ravel(), arrivals.ravel())
    references, counted, effects = {}, {}, {}
    for name, values in population.streams.items():
        limits = edges(values[sample])
        width = len(limits) + 2
        cells = bins(values, limits)
        references[name] = counts(cells[sample], width)
        effects[name] = design_effect(cells[sample].tolist(), persons.tolist())
        counted[name] = counts(cells[drawn] + day_of * width, width * days).reshape(days, width)
    return Year(references, counted, effects)


@dataclass(frozen=True)
class Drift:
    """A stream and the weights that its clients have after the drift."""

    name: str
    values: Floats
    weights: Floats


def _tilted(population: Population, shift: float) -> Floats:
    """Weights under which the mean of the log-odds moves by `shift` standard deviations."""
    z = (population.log_odds - population.log_odds.mean()) / population.log_odds.std()
    low, high = 0.0, 5.0
    for _ in range(60):
        tilt = (low + high) / 2
        weights = np.exp(tilt * z)
        low, high = (tilt, high) if (weights * z).sum() / weights.sum() < shift else (low, tilt)
    return np.asarray(np.exp(low * z))


def _share(chosen: Floats, share: float) -> Floats:
    """Weights under which the chosen clients have this share."""
    now = chosen.mean()
    return np.asarray(np.where(chosen > 0, share / now, (1 - share) / (1 - now)))


def drifting(population: Population, name: str) -> Drift:
    if name.startswith("score"):
        return Drift(name, population.probability, _tilted(population, float(name.split()[1])))
    if name.startswith("category"):
        rare = (np.arange(population.size) % round(1 / RARE) == 0).astype(float)
        return Drift(name, rare, _share(rare, 2 * RARE))
    if name.startswith("missing"):
        tenure = population.features["years_on_the_job"]
        return Drift(name, tenure, _share(np.isnan(tenure).astype(float), 0.25))
    car = population.features["flag_own_car"]
    return Drift(name, car, _share(car, 0.76))


DRIFTS = (
    "score 0.05 sd",
    "score 0.1 sd",
    "score 0.2 sd",
    "score 0.5 sd",
    "category 5->10 %",
    "car 38->76 %",
    "missing 17->25 %",
)


@dataclass(frozen=True)
class Course:
    reference: int
    volume: int
    quiet: int
    horizon: int


@dataclass(frozen=True)
class Delay:
    """Days after the drift until the alarm (1: on its first day), until PSI > 0.10 over 30 days; None: not in time."""

    alarm: int | None
    floored: int | None
    psi: int | None
    before: bool


def days_to_alarm(drift: Drift, rng: np.random.Generator, course: Course) -> Delay:
    sample = rng.integers(len(drift.values), size=course.reference)
    limits = edges(drift.values[sample])
    width = len(limits) + 2
    cells = bins(drift.values, limits)
    reference = counts(cells[sample], width)
    before = np.bincount(cells, minlength=width) / len(cells)
    after = np.bincount(cells, weights=drift.weights, minlength=width)
    days = np.vstack(
        [
            rng.multinomial(course.volume, before, size=course.quiet),
            rng.multinomial(course.volume, after / after.sum(), size=course.horizon),
        ]
    )
    early, early_size = strongest_by_day(reference, days[: course.quiet], skip=course.quiet - 1)
    alarm = floored = None
    for day in range(course.quiet, len(days)):
        evidence, size = strongest_by_day(reference, days[: day + 1], skip=day)
        if evidence[0] >= THRESHOLD:
            alarm = alarm or day - course.quiet + 1
            if size[0] >= SIZE_FLOOR:
                floored = day - course.quiet + 1
                break
    return Delay(
        alarm,
        floored,
        _psi_delay(reference, days, course.quiet),
        bool(early[0] >= THRESHOLD and early_size[0] >= SIZE_FLOOR),
    )


def _psi_delay(reference: Integers, days: Integers, quiet: int) -> int | None:
    sums = np.vstack([np.zeros((1, days.shape[1]), dtype=np.int64), days.cumsum(axis=0)])
    for day in range(quiet, len(days)):
        if psi(reference, sums[day + 1] - sums[max(0, day - 29)]) > 0.10:
            return day - quiet + 1
    return None
