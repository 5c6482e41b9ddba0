"""Stability of the score and the features: the size of a change, compared with the effect of chance."""

from collections.abc import Sequence
from datetime import date
from math import log
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from prediction_service.monitoring.distributions import chi2_quantile
from prediction_service.monitoring.evidence import Evidence
from prediction_service.monitoring.reference import Quantity

MIN_CLIENTS = 200
"""Minimum clients of a window for a PSI."""

SIZE_FLOOR = 0.01
MODERATE, LARGE = 0.10, 0.25

State = Literal["quiet", "alarm"]
Severity = Literal["small", "moderate", "large"]


class Shift(NamedTuple):
    """The population stability index of a window, compared with chance.

    `noise`: its mean without a change. `critical_95`: its 95 % quantile without a change. `size`: `psi` minus `noise`,
    at least 0.
    """

    psi: float
    noise: float
    critical_95: float
    size: float


def shift(quantity: Quantity, window: Sequence[int]) -> Shift:
    """The shift of a window, which has at least one client."""
    index = sum(_psi_terms(quantity, window))
    degrees = sum(1 for x, r in zip(window, quantity.counts, strict=True) if x or r) - 1
    scale = quantity.design_effect * (1 / sum(window) + 1 / quantity.clients)
    critical = scale * chi2_quantile(0.95, degrees) if degrees > 0 else 0.0
    return Shift(index, scale * degrees, critical, max(0.0, index - scale * degrees))


def _psi_terms(quantity: Quantity, window: Sequence[int]) -> list[float]:
    """The term of each bin, with half a client added to every count."""
    bins = len(window)
    clients, training = sum(window) + bins / 2, quantity.clients + bins / 2
    shares = [((x + 0.5) / clients, (r + 0.5) / training) for x, r in zip(window, quantity.counts, strict=True)]
    return [(q - p) * log(q / p) for q, p in shares]


def severity(size: float) -> Severity:
    return "large" if size >= LARGE else "moderate" if size >= MODERATE else "small"


class Dispersion(NamedTuple):
    """Pearson's chi-square of days against their total, divided by its degrees of freedom: 1 for independent clients.

    `limit`: one of a thousand windows without a change exceeds it. Above it, the limit of false alarms does not hold.
    """

    value: float
    limit: float

    @property
    def promise_holds(self) -> bool:
        return self.value <= self.limit


def dispersion(days: Sequence[Sequence[int]], design_effect: float) -> Dispersion | None:
    """The dispersion of days; None if fewer than two days or fewer than two bins have clients."""
    used = [day for day in days if any(day)]
    columns = list(map(sum, zip(*used, strict=True)))
    bins = sum(1 for column in columns if column)
    if len(used) < 2 or bins < 2:
        return None
    degrees, clients = (len(used) - 1) * (bins - 1), sum(columns)
    # sum (x - e)^2 / e = clients * (sum x^2 / (row * column) - 1)
    squares = sum(x * x / (sum(day) * column) for day in used for x, column in zip(day, columns, strict=True) if column)
    limit = design_effect * chi2_quantile(0.999, degrees) / degrees
    return Dispersion(clients * (squares - 1) / degrees, limit)


class BinShare(BaseModel):
    """Shares of one bin. `upto` is null for categories, the bin above the last edge, and missing values."""

    model_config = ConfigDict(frozen=True)

    bin: str
    upto: float | None
    expected: float
    observed: float | None


class QuantityStability(BaseModel):
    """Stability of a quantity over the days shown. The evidence is that of all start days."""

    model_config = ConfigDict(frozen=True)

    name: str
    clients: int
    design_effect: float
    log_e: float | None
    since: date | None
    psi: float | None
    noise: float | None
    critical_95: float | None
    size: float | None
    too_few: bool
    dispersion: float | None
    promise_holds: bool | None
    state: State
    bins: tuple[BinShare, ...]


class Alarm(BaseModel):
    """A new alarm. `size`, `severity` and `largest` are those of the window from `since`."""

    model_config = ConfigDict(frozen=True)

    stream: str
    since: date
    log_e: float
    log_threshold: float
    size: float | None
    severity: Severity
    largest: BinShare | None


def stability_alarm(
    quantity: Quantity, evidence: Evidence, window: Sequence[int], log_threshold: float
) -> Alarm | None:
    """The alarm of a quantity; None below the threshold, or if the change is too small to matter.

    `window`: the counts from `evidence.since`.
    """
    if evidence.since is None or evidence.log_e < log_threshold:
        return None
    size = shift(quantity, window).size
    if size < SIZE_FLOOR:
        return None
    return Alarm(
        stream=quantity.name,
        since=evidence.since,
        log_e=evidence.log_e,
        log_threshold=log_threshold,
        size=size,
        severity=severity(size),
        largest=largest_change(quantity, window),
    )


def bin_shares(quantity: Quantity, window: Sequence[int]) -> tuple[BinShare, ...]:
    clients = sum(window)
    cells = zip(quantity.labels, quantity.uppers, quantity.counts, window, strict=True)
    return tuple(
        BinShare(bin=label, upto=upto, expected=r / quantity.clients, observed=x / clients if clients else None)
        for label, upto, r, x in cells
    )


def largest_change(quantity: Quantity, window: Sequence[int]) -> BinShare | None:
    """The bin with the largest term of the PSI, or None for an empty window."""
    if not any(window):
        return None
    parts = _psi_terms(quantity, window)
    return bin_shares(quantity, window)[parts.index(max(parts))]


def quantity_stability(
    quantity: Quantity, days: Sequence[Sequence[int]], evidence: Evidence, alarmed: bool
) -> QuantityStability:
    """The stability of a quantity. `days`: the window by day (`windows.daily_counts`). `alarmed`: an alarm is open."""
    window = [sum(day[index] for day in days) for index in range(len(quantity.counts))]
    clients = sum(window)
    found = shift(quantity, window) if clients >= MIN_CLIENTS else None
    spread = dispersion(days, quantity.design_effect)
    return QuantityStability(
        name=quantity.name,
        clients=clients,
        design_effect=quantity.design_effect,
        log_e=evidence.log_e if evidence.since else None,
        since=evidence.since,
        psi=found.psi if found else None,
        noise=found.noise if found else None,
        critical_95=found.critical_95 if found else None,
        size=found.size if found else None,
        too_few=found is None,
        dispersion=spread.value if spread else None,
        promise_holds=spread.promise_holds if spread else None,
        state="alarm" if alarmed else "quiet",
        bins=bin_shares(quantity, window),
    )
