"""Raw loans, what the definitions make of them, and the loader's commands on them."""

import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db_init.__main__ import main
from db_init.settings import Settings

NEEDED = ("loan_id", "id", "loan_date", "loan_amount", "birthday", "job_start_date", "flag_own_car", "status")
Loan = dict[str, str]
Capture = pytest.CaptureFixture[str]


def loan(loan_id: int, client: int = 7, day: str = "2020-01-01", amount: str = "100", **changes: str) -> Loan:
    given_ = {
        "loan_id": str(loan_id), "id": str(client), "loan_date": day, "loan_amount": amount, "birthday": "1980-06-15",
        "job_start_date": "2010-03-01", "flag_own_car": "Y", "status": "0",
    }  # fmt: skip
    return given_ | changes


def write(file: Path, loans: Iterable[Loan]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, NEEDED)
        writer.writeheader()
        writer.writerows(loans)
    return file


def run(settings: Settings, *arguments: object) -> int:
    os.environ["DB_INIT_DATABASE_URL"] = settings.database_url.get_secret_value()
    os.environ["DB_INIT_WAIT_SECONDS"] = "0"
    return main([str(argument) for argument in arguments])


def loaded(
    settings: Settings, capsys: pytest.CaptureFixture[str], file: Path | str, *options: object
) -> dict[str, Any]:
    capsys.readouterr()
    assert run(settings, "load", file, "--report", "json", *options) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["read"] == (
        report["loaded"] + report["unchanged"] + report["dropped"] + sum(report["quarantined"].values())
    )
    return report


def recomputed(settings: Settings, capsys: Capture, *options: object) -> dict[str, Any]:
    capsys.readouterr()
    assert run(settings, "load", "--recompute", "--report", "json", *options) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def applied(settings: Settings, capsys: Capture, file: Path, *options: object) -> tuple[int, list[str]]:
    """Exit code, and the lines that are printed."""
    capsys.readouterr()
    code = run(settings, "apply", file, *options)
    printed = capsys.readouterr()
    return code, (printed.out + printed.err).splitlines()


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        return connection.execute(query).fetchall()


FEATURES = "nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car"
ONLINE = f"SELECT client_id, {FEATURES}, (event_timestamp AT TIME ZONE 'UTC')::date FROM credit_default_features ORDER BY client_id"
HISTORY = """
    SELECT event_id, client_id, (said->>'nb_previous_loans')::integer, (said->>'avg_amount_loans_previous')::float8,
           completed_years((said->'age'->>'since')::date, (event_timestamp AT TIME ZONE 'UTC')::date),
           completed_years((said->'years_on_the_job'->>'since')::date, (event_timestamp AT TIME ZONE 'UTC')::date),
           (said->>'flag_own_car')::integer, outcome
      FROM feature_history WHERE event_id IS NOT NULL ORDER BY event_id
"""


def years(since: str, until: date) -> int | None:
    try:
        start = date.fromisoformat(since)
    except ValueError:
        return None
    if start > until or start.year < 1900:
        return None
    return until.year - start.year - ((until.month, until.day) < (start.month, start.day))


def expected(loans: Iterable[Loan]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """History and online store, by the definitions, one loan at a time."""
    by_client = defaultdict(list)
    for one in loans:
        by_client[int(one["id"])].append(one)
    history, online = [], []
    for client, own in sorted(by_client.items()):
        own.sort(key=lambda one: (one["loan_date"], int(one["loan_id"])))
        for one in own:
            earlier = [Fraction(other["loan_amount"]) for other in own if other["loan_date"] < one["loan_date"]]
            average = float(sum(earlier) / len(earlier)) if earlier else None
            car = {"Y": 1, "N": 0}.get(one["flag_own_car"])
            status = {"0": 0, "1": 1}.get(one["status"])
            day = date.fromisoformat(one["loan_date"])
            at_loan = [years(one[column], day) for column in ("birthday", "job_start_date")]
            history.append((int(one["loan_id"]), client, len(earlier), average, *at_loan, car, status))
        now = [years(own[-1][column], datetime.now(UTC).date()) for column in ("birthday", "job_start_date")]
        online.append((client, len(earlier), average, *now, car, day))
    return sorted(history), online


def assert_stored(settings: Settings, loans: Iterable[Loan]) -> None:
    history, online = expected(loans)
    assert rows(settings, HISTORY) == approximately(history)
    assert rows(settings, ONLINE) == approximately(online)


def approximately(table: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Floats may differ in their last digits."""
    return [tuple(pytest.approx(cell, rel=1e-14) if isinstance(cell, float) else cell for cell in row) for row in table]


@contextmanager
def loading(settings: Settings, file: Path | str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"DB_INIT_DATABASE_URL": settings.database_url.get_secret_value()}
    command = [sys.executable, "-m", "db_init", "load", str(file), "--report", "json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        yield process


def many(clients: int, first_id: int, day: str) -> list[Loan]:
    return [loan(first_id + number, 1 + number % clients, day, str(number % 97)) for number in range(clients * 5)]
