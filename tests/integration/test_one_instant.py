"""At one instant, of an imported vector and a loan the one received later counts, as of then and in the online store."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from asgi import client_of
from db_init.settings import Settings
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


@pytest.mark.parametrize(("order", "counts"), [("load import", 50), ("import load", 1), ("load import load", 50)])
def test_the_one_received_later_counts_and_a_loan_is_received_once(
    server: Server, database: str, settings: Settings, tmp_path: Path, capsys: Capture, order: str, counts: int
) -> None:
    vectors = tmp_path / "vectors.csv"
    vectors.write_text(f"{HEADER}\n{VECTOR}\n")
    for step in order.split():
        if step == "load":
            loaded(settings, capsys, write(tmp_path / "loans.csv", LOANS))
        else:
            assert run(settings, "import-features", vectors) == 0
    assert served(server, database) == [counts, counts]


def test_a_loan_after_an_imported_vector_counts(
    server: Server, database: str, settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    vectors = tmp_path / "vectors.csv"
    vectors.write_text(f"{HEADER}\n{VECTOR}\n")
    assert run(settings, "import-features", vectors) == 0
    loaded(settings, capsys, write(tmp_path / "loans.csv", [*LOANS, loan(3, day="2020-03-02")]))
    assert served(server, database) == [2, 1]
