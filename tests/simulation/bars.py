"""What an implementation of monitoring has to reach, each bar as one measurement."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from prediction_service.monitoring.evidence import StabilityTest
from prediction_service.monitoring.reference import Quantity
from prediction_service.monitoring.windows import Tally, Windows, start_days
from simulation.outcomes import CalibrationRuns, Truth, useless_models
from simulation.populations import Population
from simulation.streams import THRESHOLD, Course, days_of_persons, days_to_alarm, drifting, quiet_year
from simulation.vectorised import bins, counts, edges


@dataclass(frozen=True)
class Bar:
    """A measurement and whether it holds."""

    name: str
    measured: str
    holds: bool


def stable(population: Population, seeds: int, allowed: int) -> Iterator[Bar]:
    years = [quiet_year(population, np.random.default_rng(seed), 12_000, (90, 300)) for seed in range(seeds)]
    alarms = sum(year.false_alarms() for year in years)
    unfloored = sum(year.false_alarms(floor=0.0) for year in years)
    yield Bar(
        f"no drift: {seeds} seeds x 90 days x 6 streams, at most {allowed} alarms",
        f"{alarms} ({unfloored} without the floor on size)",
        alarms <= allowed,
    )


def drifts(population: Population, seeds: int) -> Iterator[Bar]:
    for name in ("score 0.2 sd", "missing 17->25 %", "category 5->10 %"):
        drift = drifting(population, name)
        for quiet in (60, 300):
            course = Course(12_000, 300, quiet, 30)
            found = [days_to_alarm(drift, np.random.default_rng(seed), course).floored or 31 for seed in range(seeds)]
            caught = sum(days <= 10 for days in found)
            yield Bar(
                f"{name} after {quiet} quiet days: within 10 days in 98 of 100",
                f"{caught} of {seeds}, median {np.median(found):g}, p90 {np.quantile(found, 0.9):g}, last {max(found)}",
                caught >= 0.98 * seeds,
            )


def persons(population: Population, seeds: int) -> Iterator[Bar]:
    years = [days_of_persons(population, np.random.default_rng(seed)) for seed in range(seeds)]
    with_d = sum(bool(year.false_alarms()) for year in years)
    without = sum(bool(year.false_alarms(effects=False)) for year in years)
    effects = [effect for year in years for effect in year.effects.values()]
    yield Bar(
        "persons of geometric size, mean 2.8, 90 days: none alarms with d, 19 of 20 without",
        f"{with_d} of {seeds} with d, {without} without; d {min(effects):.2f} to {max(effects):.2f}",
        with_d == 0 and without >= 0.95 * seeds,
    )


def one_client(population: Population) -> Iterator[Bar]:
    """Folded by the module itself: 1,440 questions a day about one client for 90 days, beside nobody else."""
    sample = population.probability[np.random.default_rng(0).integers(population.size, size=12_000)]
    limits = edges(sample)
    reference = counts(bins(sample, limits), len(limits) + 2)
    score = Quantity(name="score", edges=tuple(limits.tolist()), counts=tuple(reference.tolist()), design_effect=1)
    place, first = score.bin_of(float(sample.max())), date(2026, 1, 1)
    windows, test, largest = Windows(len(score.counts)), StabilityTest(score.counts, 1.0), -np.inf
    previous_day: date | None = None
    for day in (first + timedelta(days=number) for number in range(90)):
        for _ in range(1_440):
            windows.add(Tally(day, previous_day, place, 1))
            previous_day = day
        largest = max(largest, test.strongest(windows.by_start(*start_days(day, first))).log_e)
    yield Bar("one client asked 1,440 times a day: no alarm", f"largest log E {largest:.2f}", largest < THRESHOLD)


def calibration(population: Population, seeds: int) -> Iterator[Bar]:
    runs = CalibrationRuns(population)
    alarms = sum(runs.run("as foretold", np.random.default_rng(seed), 0, 720) is not None for seed in range(seeds))
    yield Bar("calibration: 0 alarms in 100 quiet runs of two years", f"{alarms} of {seeds}", alarms == 0)
    yield _calibration_found(runs, seeds, "risk x1.5", 700)
    yield _calibration_found(runs, seeds, "useless", 1_800)


def _calibration_found(runs: CalibrationRuns, seeds: int, truth: Truth, limit: int) -> Bar:
    found = [runs.run(truth, np.random.default_rng(seed), 180 + seed % 30, 600) for seed in range(seeds)]
    defaults = [alarm.defaults if alarm else 10**6 for alarm in found]
    days = [alarm.days if alarm else 601 for alarm in found]
    caught = sum(number <= limit for number in defaults)
    return Bar(
        f"calibration, {truth}: within {limit:,} defaults in 95 of 100",
        f"{caught} of {seeds}, median {np.median(defaults):g} defaults, days {np.median(days):g}/{np.quantile(days, 0.9):g}",
        caught >= 0.95 * seeds,
    )


def useless(population: Population, seeds: int) -> Iterator[Bar]:
    found = [useless_models(population, np.random.default_rng(seed)) for seed in range(seeds)]
    promoted, evidence = sum(one.promoted for one in found), sum(one.evidence for one in found)
    yield Bar(
        "two useless models, 2,000 defaults: at most 10 of 100 promoted",
        f"{promoted} of {seeds}, E >= 20 at any time in {evidence}",
        promoted <= 0.1 * seeds,
    )


def all_bars(population: Population, scale: float = 1.0) -> Iterator[Bar]:
    """At `scale` of the full number of seeds."""

    def seeds(full: int) -> int:
        return max(2, round(full * scale))

    pieces: tuple[Callable[[], Iterator[Bar]], ...] = (
        lambda: stable(population, seeds(200), 3),
        lambda: drifts(population, seeds(100)),
        lambda: persons(population, seeds(20)),
        lambda: one_client(population),
        lambda: calibration(population, seeds(100)),
        lambda: useless(population, max(20, seeds(100))),
    )
    for piece in pieces:
        yield from piece()
