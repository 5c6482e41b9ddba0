"""Loads in several files, in any order, come to what one load of all of them comes to."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from db_init.engines.duckdb import open_duckdb
from db_init.loading.events.load import load
from db_init.progress import progress
from db_init.settings import Settings
from loans import Loan, assert_stored, loan, write

DAYS = [f"2020-0{month}-0{day}" for month in (1, 2) for day in (1, 2, 3)]
AMOUNTS = st.one_of(
    st.decimals(0, 10_000, places=6).map(str),
    st.floats(0, 1e14, width=64).map(repr),
    st.sampled_from(["0", "0.1", "1e-12", "999999999999999"]),
)


@dataclass(frozen=True)
class Parts:
    """Loans without two of one number that differ; `files` hold each of them once or more."""

    loans: list[Loan]
    files: list[list[Loan]]


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    count = draw(st.integers(0, 12))
    numbers = draw(st.permutations(range(1, count + 1)))
    loans = [
        loan(
            number,
            draw(st.integers(1, 3)),
            draw(st.sampled_from(DAYS)),
            draw(AMOUNTS),
            birthday=draw(st.sampled_from(["1980-06-15", "2000-02-29", "2020-01-02", ""])),
            job_start_date=draw(st.sampled_from(["2010-01-02", "3021-09-18", "2020-02-01", "not-a-date"])),
            flag_own_car=draw(st.sampled_from(["Y", "N", ""])),
            status=draw(st.sampled_from(["0", "1", ""])),
        )
        for number in numbers
    ]
    files: list[list[Loan]] = [[] for _ in range(draw(st.integers(2, 3)))]
    for one in loans:
        files[draw(st.integers(0, len(files) - 1))].append(one)
        if draw(st.integers(0, 9)) == 0:  # and the same line again, there or elsewhere
            files[draw(st.integers(0, len(files) - 1))].append(one)
    return Parts(loans, files)


def stored(connection: psycopg.Connection) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    columns = "client_id, event_timestamp, event_id, said, raw, outcome"
    history = connection.execute(f"SELECT {columns} FROM feature_history ORDER BY event_id").fetchall()
    online = "SELECT client_id, event_timestamp, v, times FROM online_features ORDER BY client_id"
    return history, connection.execute(online).fetchall()


def loaded_in_turn(settings: Settings, folder: Path, files: list[list[Loan]]) -> Any:
    with closing(psycopg.connect(settings.database_url.get_secret_value())) as connection, progress() as steps:
        connection.execute("TRUNCATE feature_history, online_features, quarantine")
        connection.commit()
        for loans in files:
            file = write(folder / "loans.csv", loans)
            load(connection, file, open_duckdb("500MB"), steps, pytest.fail)
        return stored(connection)


@given(parts())
@hypothesis_settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to make an example smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_files_in_turn_come_to_what_one_file_comes_to(settings: Settings, tmp_path: Path, split: Parts) -> None:
    in_turn = loaded_in_turn(settings, tmp_path, split.files)
    assert in_turn == loaded_in_turn(settings, tmp_path, [split.loans])
    assert_stored(settings, split.loans)


def test_a_late_loan_of_another_file_corrects_every_later_vector(settings: Settings, tmp_path: Path) -> None:
    first = [loan(number, day=f"2020-02-{number:02}") for number in range(2, 6)]
    late = [loan(1, day="2020-01-01", amount="1000")]
    history, online = loaded_in_turn(settings, tmp_path, [first, late])
    assert [row[3]["nb_previous_loans"] for row in history] == [0, 1, 2, 3, 4]
    assert [row[3]["avg_amount_loans_previous"] for row in history] == [None, 1000.0, 550.0, 400.0, 325.0]
    assert [online[0][2][name] for name in ("nb_previous_loans", "avg_amount_loans_previous")] == [4, 325.0]
