"""Synthetic raw loans with the layout and distributions of real ones, including invalid cells. No row is real.

The distributions were fitted to 36,457 clients of the public "credit card approval" data. `population` explains each
number. Persons have several client ids. Dates and amounts of loans are noise. The risk of default, in log-odds, is a
sum of effects of the features and of two frailties (of the person and of the id), which no feature shows.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from db_init.feature_sets.credit_default import population as p
from db_init.files.reading import is_parquet
from db_init.output import written_whole
from db_init.progress import Steps

_EPOCH = date(1970, 1, 1)


def _day(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - _EPOCH).days


_REFERENCE = _day(2021, 9, 17)
_FIRST_LOAN, _LAST_LOAN = _day(2019, 1, 1), _day(2020, 12, 31)


@dataclass(frozen=True)
class _Clients:
    """Arrays with one entry per client id; `person` is the number of its person."""

    ids: np.ndarray
    person: np.ndarray
    age: np.ndarray
    tenure: np.ndarray  # years; NaN for pensioners
    car: np.ndarray
    nb: np.ndarray  # loans before the last one


def _persons(random: np.random.Generator, clients: int) -> np.ndarray:
    """The number of the person of each client id, in the order of the ids."""
    sizes = random.choice(np.arange(1, 13), size=clients, p=np.array(p.IDS_PER_PERSON) / sum(p.IDS_PER_PERSON))
    many = sizes == 12
    sizes[many] = 11 + random.geometric(p.MANY_IDS, size=int(many.sum()))
    return np.repeat(np.arange(clients), sizes)[:clients]


def _ages(random: np.random.Generator, persons: int) -> np.ndarray:
    knots, heights = np.array(p.AGE_KNOTS), np.array(p.AGE_HEIGHTS)
    fine = np.linspace(knots[0], knots[-1], 5_001)
    mass = np.cumsum(np.interp(fine, knots, heights))
    return np.interp(random.random(persons), mass / mass[-1], fine)


def _tenures(random: np.random.Generator, age: np.ndarray) -> np.ndarray:
    pensioner = p.PENSIONER_BASE + p.PENSIONER_RISE / (
        1 + np.exp(-(np.floor(age) - p.PENSIONER_AGE) / p.PENSIONER_WIDTH)
    )
    shape = np.interp(age, p.TENURE_AGES, p.TENURE_SHAPES)
    scale = np.interp(age, p.TENURE_AGES, p.TENURE_SCALES)
    tenure = np.maximum(scale * random.weibull(shape) - 0.26, 0)
    working_life = np.minimum(np.maximum(age - 18, 0), 43)
    tenure = np.where(tenure > working_life, random.random(len(age)) * working_life, tenure)
    return np.where(random.random(len(age)) < pensioner, np.nan, tenure)


def _previous_loans(random: np.random.Generator, clients: int) -> np.ndarray:
    nb = np.full(clients, -1)
    while (open_ := nb < 0).any():
        drawn = np.floor(random.gamma(*p.LOANS_GAMMA, size=int(open_.sum()))).astype(int)
        kept = (drawn <= p.MOST_PREVIOUS_LOANS) & ((drawn > 0) | (random.random(len(drawn)) < p.KEEP_ZERO_LOANS))
        nb[open_] = np.where(kept, drawn, -1)
    return nb


def _clients(random: np.random.Generator, clients: int) -> _Clients:
    person = _persons(random, clients)
    count = int(person[-1]) + 1
    age = _ages(random, count)
    tenure = _tenures(random, age)
    pensioner = np.isnan(tenure)
    car_logit = -0.164 - 0.0220 * np.maximum(age - 33, 0) - 0.585 * pensioner
    car = random.random(count) < 1 / (1 + np.exp(-car_logit))
    gaps = np.where(random.random(clients) < p.NEXT_ID, 1, random.integers(1, 6, clients))
    ids = p.FIRST_ID + np.cumsum(gaps) - gaps[0]
    return _Clients(ids, person, age[person], tenure[person], car[person], _previous_loans(random, clients))


def _default_rates(random: np.random.Generator, clients: _Clients, signal: float) -> np.ndarray:
    """The probability of default of a loan of each client, including frailties.

    The effects are marginal: they hold for the average over the frailties. A table from Gauss-Hermite quadrature
    converts them into the linear predictor with this average.
    """
    effects = (
        np.interp(clients.nb, p.EFFECT_LOANS_AT, p.EFFECT_LOANS) - 0.06 * (clients.age - 43) / 10 - 0.10 * clients.car
    )
    tenure = np.interp(np.nan_to_num(clients.tenure), p.EFFECT_TENURE_AT, p.EFFECT_TENURE)
    effects += np.where(np.isnan(clients.tenure), -0.13, tenure)
    marginal = p.BASE_LOGIT + signal * effects
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    grid = np.linspace(-30, 20, 2_001)
    frailty = np.sqrt(2) * p.FRAILTY * points
    averaged = (1 / (1 + np.exp(-(grid[:, None] + frailty)))) @ (weights / weights.sum())
    predictor = np.interp(marginal, np.log(averaged / (1 - averaged)), grid)
    frailties = random.normal(0, p.FRAILTY, int(clients.person[-1]) + 1)[clients.person]
    frailties += random.normal(0, p.FRAILTY, len(clients.ids))
    return np.asarray(1 / (1 + np.exp(-(predictor + frailties))))


def _amounts(random: np.random.Generator, loans: int) -> np.ndarray:
    """100 plus a generalised Pareto distribution, truncated at 400."""
    below = 1 - (1 + p.AMOUNT_SHAPE * 300 / p.AMOUNT_SCALE) ** (-1 / p.AMOUNT_SHAPE)
    uniform = random.random(loans) * below
    return np.asarray(np.round(100 + p.AMOUNT_SCALE * ((1 - uniform) ** -p.AMOUNT_SHAPE - 1) / p.AMOUNT_SHAPE, 6))


def _text_days(days: np.ndarray) -> np.ndarray:
    return np.datetime_as_string(days.astype("datetime64[D]"))


def _personal_columns(random: np.random.Generator, clients: _Clients) -> dict[str, np.ndarray]:
    """Columns that no feature uses, per client id. All ids of a person have the same values."""
    count = int(clients.person[-1]) + 1

    def pick(shares: dict[str, int]) -> np.ndarray:
        weights = np.array(list(shares.values()), dtype=float)
        return random.choice(np.array(list(shares)), size=count, p=weights / weights.sum())

    pensioner = np.zeros(count, dtype=bool)
    pensioner[clients.person] = np.isnan(clients.tenure)
    no_occupation = pensioner | (random.random(count) < 0.17)
    children = random.poisson(0.43, count)
    family = pick(p.FAMILY)
    income = np.clip(np.exp(random.normal(np.log(157_500), 0.52, count)), 27_000, 1_575_000)
    columns = {
        "code_gender": np.where(random.random(count) < 0.67, "F", "M"),
        "flag_own_realty": np.where(random.random(count) < 0.67, "Y", "N"),
        "cnt_children": children,
        "amt_income_total": np.round(income / 4_500) * 4_500,
        "name_income_type": np.where(pensioner, "Pensioner", pick(p.INCOME_TYPES)),
        "name_education_type": pick(p.EDUCATION),
        "name_family_status": family,
        "name_housing_type": pick(p.HOUSING),
        "flag_mobil": np.ones(count, dtype=int),
        "flag_work_phone": (random.random(count) < 0.226).astype(int),
        "flag_phone": (random.random(count) < 0.295).astype(int),
        "flag_email": (random.random(count) < 0.090).astype(int),
        "occupation_type": np.where(no_occupation, "", pick(p.OCCUPATIONS)),
        "cnt_fam_members": children + 1 + np.isin(family, ["Married", "Civil marriage"]),
    }
    return {name: column[clients.person] for name, column in columns.items()}


def _spoiled(random: np.random.Generator, loans: int) -> tuple[list[tuple[str, str, np.ndarray]], np.ndarray]:
    """Defects like those of the real file: invalid cells (column, text, lines), and the lines that occur twice."""
    dirt = [(name, text, random.random(loans) < rate) for name, text, rate in p.DIRT]
    return dirt, np.flatnonzero(random.random(loans) < p.DUPLICATE_LINES)


def _loans(clients: int, seed: int, signal: float) -> pa.Table:
    random = np.random.default_rng(seed)
    made = _clients(random, clients)
    rates = _default_rates(random, made, signal)
    owner = np.repeat(np.arange(clients), made.nb + 1)
    loan_date = random.integers(_FIRST_LOAN, _LAST_LOAN + 1, len(owner))
    job_start = _text_days(_REFERENCE - np.nan_to_num(made.tenure * 365.25).astype(int))
    by_client: dict[str, np.ndarray] = {
        "id": made.ids,
        **_personal_columns(random, made),
        "flag_own_car": np.where(made.car, "Y", "N"),
        "birthday": _text_days(_REFERENCE - (made.age * 365.25).astype(int)),
        "job_start_date": np.where(np.isnan(made.tenure), p.NO_JOB, job_start),
    }
    by_loan: dict[str, np.ndarray] = {
        "loan_id": 1_000 + np.arange(len(owner)),
        "status": (random.random(len(owner)) < rates[owner]).astype(int),
        "loan_date": _text_days(loan_date),
        "loan_amount": np.char.mod("%.6f", _amounts(random, len(owner))),
    }
    order = np.argsort(loan_date, kind="stable")
    dirt, twice = _spoiled(random, len(owner))
    lines = np.sort(np.concatenate([np.arange(len(owner)), twice]), kind="stable")
    loan_of = order[lines]
    columns = {}
    for name in p.COLUMNS:
        values, place = (by_client[name], owner[loan_of]) if name in by_client else (by_loan[name], loan_of)
        column = pa.array(values).take(pa.array(place))
        for text, where in ((text, where) for spoiled, text, where in dirt if spoiled == name):
            column = pc.if_else(pa.array(where[lines]), text, column)
        columns[name] = column
    return pa.table(columns)


def write_sample(out: Path, clients: int, seed: int, signal: float, steps: Steps) -> int:
    """Write the file completely or not at all. Return the number of its rows."""
    with written_whole(out) as fresh:
        steps.step("making loans")
        table = _loans(clients, seed, signal)
        steps.step("writing")
        if is_parquet(out):
            pa.parquet.write_table(table, fresh)
        else:
            pa.csv.write_csv(table, fresh, pa.csv.WriteOptions(quoting_style="needed"))
    return int(table.num_rows)
