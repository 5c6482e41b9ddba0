"""The clients that simulations draw from: generated ones, or a file of the online store's layout."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LOANS = (
    [0, 1, 2, 4, 6.5, 10, 14, 18, 24, 32, 45, 60],
    [-1.4, -0.89, -0.49, 0.06, 0.28, 0.45, 0.26, -0.13, -0.17, 0, -0.22, 0],
)
TENURE = ([0, 2, 5, 9, 15, 25], [0.17, 0.04, -0.08, -0.08, -0.02, 0.1])
AGE = (
    [20, 22, 24, 26, 28, 34, 42, 50, 55, 60, 64, 66, 68, 70],
    [0.02, 2, 9, 15, 31, 29.5, 29, 23.5, 21.5, 21.5, 16, 9, 1.6, 0],
)
RARE = 0.05
"""Share of the category whose drift is simulated."""


@dataclass(frozen=True)
class Population:
    """A value a client and feature, NaN for missing; `probability` is the client's true risk."""

    features: dict[str, Floats]
    probability: Floats

    @property
    def size(self) -> int:
        return len(self.probability)

    @property
    def log_odds(self) -> Floats:
        return np.log(self.probability / (1 - self.probability))

    @property
    def streams(self) -> dict[str, Floats]:
        return {"score": self.probability, **self.features}


def generated(clients: int, seed: int) -> Population:
    """Clients with about the marginals of a public store of loans."""
    rng = np.random.default_rng(seed)
    loans = np.minimum(60, np.floor(rng.gamma(1.3913, 17.682, clients)))
    amount = np.minimum(
        400, 100 + 25.01 / 0.1553 * (rng.random(clients) ** -0.1553 - 1) / np.sqrt(np.maximum(loans, 1))
    )
    grid = np.linspace(20, 70, 5001)
    density = np.interp(grid, *AGE)
    age = np.floor(rng.choice(grid, clients, p=density / density.sum()))
    pensioner = rng.random(clients) < 0.0049 + 0.8968 / (1 + np.exp(-(age - 56.34) / 2.349))
    tenure = np.minimum(age - 18, np.floor(rng.weibull(1.3, clients) * 8))
    car = rng.random(clients) < 1 / (1 + np.exp(0.164 + 0.022 * np.maximum(age - 33, 0) + 0.585 * pensioner))
    return _population(
        {
            "nb_previous_loans": loans,
            "avg_amount_loans_previous": np.where(loans == 0, np.nan, amount),
            "age": age,
            "years_on_the_job": np.where(pensioner, np.nan, tenure),
            "flag_own_car": car.astype(float),
        }
    )


def read(file: Path) -> Population:
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = ("nb_previous_loans", "avg_amount_loans_previous", "age", "years_on_the_job", "flag_own_car")
    return _population({name: np.array([float(row[name] or "nan") for row in rows]) for name in names})


def _population(features: dict[str, Floats]) -> Population:
    """With an additive risk in log-odds: a hump in the number of loans, little of the rest."""
    tenure = features["years_on_the_job"]
    job = np.where(np.isnan(tenure), -0.13, np.interp(np.nan_to_num(tenure), *TENURE))
    odds = -4.1 + np.interp(features["nb_previous_loans"], *LOANS) + job
    odds = odds - 0.006 * (np.nan_to_num(features["age"], nan=43) - 43) - 0.1 * np.nan_to_num(features["flag_own_car"])
    return Population(features, 1 / (1 + np.exp(-odds)))
