"""A database of the first schema, with data in it, is brought up to date and loses nothing."""

import re
from typing import Any

import psycopg
import pytest

from db_init.migrate import migrate
from db_init.settings import Settings
from local_stack.postgres import Server
from migrations import at_revision

DUMP = """
    INSERT INTO feature_history (client_id, event_timestamp, loan_id, loan_amount, birthday, job_start_date,
        nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car, status, known_at) VALUES
    (5, '2020-01-01+00', 11, 100.5, '1980-02-29', '3021-09-18', 0, NULL, 39, NULL, 1, 0, '2021-01-01+00'),
    (5, '2020-02-01+00', 12, 0.1, '1980-02-29', '3021-09-18', 1, 100.5, 39, NULL, 1, NULL, '2021-01-01+00'),
    (5, '2020-02-01+00', NULL, NULL, NULL, NULL, 7, 128.90637116931464, 40, 2, 0, 1, '2020-12-01+00'),
    (6, '2020-02-01+00', 13, 5, NULL, NULL, 0, NULL, NULL, NULL, NULL, 1, '2021-01-01+00'),
    (7, 'infinity', NULL, NULL, NULL, NULL, 1, 1, 1, 1, 1, NULL, '2021-01-01+00'),
    (8, '1850-01-01+00', NULL, NULL, NULL, NULL, 1, 1, 1, 1, 1, 0, '2021-01-01+00'),
    (8, '2020-01-01+00', NULL, NULL, NULL, NULL, 2, 2, 2, 2, 0, 0, '2021-01-01+00');
    INSERT INTO online_features VALUES (5, 7, 128.90637116931464, 40, 2, 0, '2020-02-01+00'),
        (6, 0, NULL, NULL, NULL, NULL, '2020-02-01+00'), (7, 1, 1, 1, 1, 1, 'infinity'), (8, 2, 2, 2, 2, 0, '2020-01-01+00'),
        (9, 3, 3.5, 33, 3, 1, '2020-03-01 12:00:00.5+00');
    INSERT INTO quarantine (source, line, reason, row) VALUES ('file', 3, 'id_missing', '{"id": ""}')
"""


@pytest.fixture
def first_schema(server: Server) -> Settings:
    """A database as the first release left it."""
    return at_revision(server, "first_schema", "0001")


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        return connection.execute(query).fetchall()


def test_every_row_is_moved_and_answers_as_before(first_schema: Settings) -> None:
    with psycopg.connect(first_schema.database_url.get_secret_value()) as connection:
        connection.execute(DUMP)
    migrate(first_schema)
    history = rows(
        first_schema,
        "SELECT client_id, event_id, outcome, said::text, raw->>'loan_amount', received_at::date::text"
        " FROM feature_history ORDER BY client_id, event_timestamp, seq",
    )
    assert [row[:3] for row in history] == [
        (5, 11, 0), (5, 12, None), (5, None, 1), (6, 13, 1), (8, None, 0), (9, None, None),
    ]  # fmt: skip
    assert history[1][3] == (
        '{"nb_previous_loans" : 1, "avg_amount_loans_previous" : 100.5, "age" : {"since" : "1980-02-29"}, '
        '"years_on_the_job" : {"since" : "3021-09-18"}, "flag_own_car" : 1}'
    )
    assert history[0][4:] == ("100.5", "2021-01-01")
    online = rows(
        first_schema, "SELECT client_id, v, times, v->>'avg_amount_loans_previous' FROM online_features ORDER BY 1"
    )
    assert [(row[0], row[1]["nb_previous_loans"], row[1]["age"], row[2]) for row in online] == [
        (5, 7, 40, None), (6, 0, None, None), (8, 2, 2, None), (9, 3, 33, None),
    ]  # fmt: skip
    assert online[0][3] == "128.90637116931464"


def test_instants_that_no_door_lets_in_any_more_are_kept_in_quarantine(first_schema: Settings) -> None:
    with psycopg.connect(first_schema.database_url.get_secret_value()) as connection:
        connection.execute(DUMP)
    migrate(first_schema)
    kept = rows(
        first_schema, "SELECT source, reason, row->>'id', row->>'event_timestamp' FROM quarantine ORDER BY source, line"
    )
    assert kept == [
        ("file", "id_missing", "", None),
        ("migration 0002", "event_timestamp_out_of_range", "7", "infinity"),
        ("migration 0002", "event_timestamp_out_of_range", "8", "1850-01-01 00:00:00+00"),
    ]


def test_the_shipped_set_is_in_force_afterwards(first_schema: Settings) -> None:
    migrate(first_schema)
    [[name, digest, folder]] = rows(first_schema, "SELECT name, digest, folder FROM feature_sets WHERE current")
    assert (name, folder) == ("credit_default", None)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    migrate(first_schema)
    assert rows(first_schema, "SELECT count(*) FROM feature_sets") == [(1,)]


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "1899-12-31 23:59:59+00", "9999-01-01 00:00:00+00"])
def test_no_instant_outside_the_years_is_stored(first_schema: Settings, instant: str) -> None:
    migrate(first_schema)
    for table, column in (("feature_history", "said"), ("online_features", "v")):
        with pytest.raises(psycopg.errors.CheckViolation):
            rows(
                first_schema,
                f"INSERT INTO {table} (client_id, event_timestamp, {column}) VALUES (1, '{instant}', '{{}}') RETURNING 1",
            )
