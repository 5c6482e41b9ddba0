"""At one instant, a vector that was imported counts over one of a loan, in the history and in the online store alike."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from asgi import client_of
from db_init.settings import Settings
from feature_service import store
from feature_service.app import create_app
from feature_service.settings import Settings as FeatureSettings
from loans import Capture, loaded, loan, run, write
from local_stack.postgres import Server

HEADER = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status,event_timestamp"
VECTOR = "7,50,5.5,51,5,0,0,2020-03-01T00:00:00Z"
LOANS = [loan(1), loan(2, day="2020-03-01")]


def served(server: Server, database: str) -> list[int]:
    """`nb_previous_loans` of client 7, now and as of the instant."""

    async def ask() -> list[int]:
        url = SecretStr(server.url(database, user="feature_service"))
        async with client_of(create_app(FeatureSettings(database_url=url))) as client:
            urls = [f"/online_feature_store/client_id=7{query}" for query in ("", "?as_of=2020-03-01T00:00:00Z")]
            return [(await client.get(url)).json()["nb_previous_loans"] for url in urls]

    return asyncio.run(ask())


@pytest.mark.parametrize("order", ["load import", "import load", "load import load"])
def test_an_imported_vector_counts_over_a_loan_of_its_instant(
    server: Server, database: str, settings: Settings, tmp_path: Path, capsys: Capture, order: str
) -> None:
    vectors = tmp_path / "vectors.csv"
    vectors.write_text(f"{HEADER}\n{VECTOR}\n")
    for step in order.split():
        if step == "load":
            loaded(settings, capsys, write(tmp_path / "loans.csv", LOANS))
        else:
            assert run(settings, "import-features", vectors) == 0
    assert served(server, database) == [50, 50]


def test_a_loan_after_an_imported_vector_counts(
    server: Server, database: str, settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    vectors = tmp_path / "vectors.csv"
    vectors.write_text(f"{HEADER}\n{VECTOR}\n")
    assert run(settings, "import-features", vectors) == 0
    loaded(settings, capsys, write(tmp_path / "loans.csv", [*LOANS, loan(3, day="2020-03-02")]))
    assert served(server, database) == [2, 50]


def test_reads_as_of_an_instant_follow_the_index(settings: Settings) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute(
            "INSERT INTO feature_history (client_id, event_timestamp, loan_id) SELECT n % 500 + 1, now(), n FROM generate_series(1, 20000) AS n"
        )
        connection.execute("ANALYZE feature_history")
        query = store._AS_OF.replace("$1::bigint[]", "'{7,8}'::bigint[]").replace("$2", "'{now,now}'")
        plan = "\n".join(line for [line] in connection.execute(f"EXPLAIN {query}"))
    assert "Index Scan Backward using feature_history_event" in plan
    assert "Sort" not in plan
