"""The history becomes partitioned while it is read and written."""

import threading
import time
from typing import Any

import psycopg
import pytest

from db_init.history import prepare_years
from db_init.migrate import migrate
from db_init.settings import Settings
from local_stack.postgres import Server
from migrations import at_revision
from partitioning import AS_OF, at_work, fill

ROWS, CLIENTS = 300_000, 20_000
NAME = "before_partitions"


@pytest.fixture
def full(server: Server) -> Settings:
    """A database of the release before, with a history."""
    settings = at_revision(server, NAME, "0005")
    fill(server, NAME, ROWS, CLIENTS)
    return settings


def rows(server: Server, database: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.url(database)) as connection:
        return connection.execute(query, values).fetchall()


def answers(server: Server) -> list[list[tuple[Any, ...]]]:
    with psycopg.connect(server.url(NAME)) as connection:
        return [
            connection.execute(AS_OF, [client_id, instant]).fetchall()
            for client_id in range(1, CLIENTS, 97)
            for instant in ("2012-03-01+00", "2020-06-01+00", "infinity")
        ]


def test_readers_and_writers_go_on_while_a_full_history_is_partitioned(server: Server, full: Settings) -> None:
    before = answers(server)
    [[counted]] = rows(server, NAME, "SELECT count(*) FROM feature_history")
    with at_work(server, NAME, CLIENTS) as waits:
        time.sleep(0.5)
        migrate(full)
        time.sleep(0.5)
    print(waits)
    assert waits.failures == []
    assert all(len(seconds) > 50 for seconds in waits.seconds.values())
    assert answers(server) == before
    # Each write stands in the history and counts, those of the same instant and client apart, of which one stays.
    assert rows(server, NAME, "SELECT count(*) FROM feature_history WHERE client_id <= %s", CLIENTS) == [(counted,)]
    [[written]] = rows(server, NAME, "SELECT count(*) FROM feature_history WHERE client_id > %s", CLIENTS)
    assert written == len(waits.seconds["write"])
    assert rows(server, NAME, "SELECT count(DISTINCT seq), count(*) FROM feature_history") == [(counted + written,) * 2]
    kinds = rows(server, NAME, "SELECT relkind::text FROM pg_class WHERE relname = 'feature_history'")
    assert kinds == [("p",)]


def test_a_reader_that_takes_long_holds_up_the_migration_and_no_other_reader(server: Server, full: Settings) -> None:
    with psycopg.connect(server.url(NAME)) as long:
        long.execute("SELECT FROM feature_history LIMIT 1")
        migration = threading.Thread(target=migrate, args=(full,))
        migration.start()
        with at_work(server, NAME, CLIENTS, each=1) as waits:
            time.sleep(3)
            read = len(waits.seconds["as of"])
            assert migration.is_alive()
        long.rollback()
        migration.join()
    assert waits.failures == []
    assert read > 50
    assert rows(server, NAME, "SELECT relkind::text FROM pg_class WHERE relname = 'feature_history'") == [("p",)]


def test_a_migration_that_was_interrupted_is_begun_again(server: Server, full: Settings) -> None:
    with psycopg.connect(server.url(NAME), autocommit=True) as connection:
        connection.execute("ALTER TABLE feature_history ADD CONSTRAINT feature_history_closed CHECK (event_timestamp < '2050-01-01') NOT VALID")  # fmt: skip
        connection.execute("CREATE INDEX feature_history_past_event_id ON feature_history (client_id)")
    before = answers(server)
    migrate(full)
    assert answers(server) == before
    with pytest.raises(psycopg.errors.UniqueViolation):
        rows(server, NAME, "INSERT INTO feature_history (client_id, event_timestamp, event_id, said) SELECT client_id, event_timestamp, event_id, said FROM feature_history WHERE event_id = 5 RETURNING 1")  # fmt: skip


PLACES = """
    SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
      FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
     WHERE inhparent = 'feature_history'::regclass
     ORDER BY 1
"""
PLACE = "SELECT tableoid::regclass::text FROM feature_history WHERE client_id = 7"


def test_each_year_gets_its_partition_before_it_begins(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database)) as connection:
        names = [name for name, _ in connection.execute(PLACES)]
        year = int(names[0].removeprefix("feature_history_"))
        assert names == [f"feature_history_{n}" for n in (year, year + 1, "later", "past")]
        connection.execute("SELECT add_history_years(make_timestamptz(%s, 1, 1, 0, 0, 0, 'UTC'))", [year + 3])
        prepare_years(connection)
        bounds: dict[str, str] = dict(connection.execute(PLACES).fetchall())
        assert bounds["feature_history_later"] == f"FOR VALUES FROM ('{year + 3}-01-01 00:00:00+00') TO (MAXVALUE)"
        assert [name for name in bounds if name[-1].isdigit()] == [f"feature_history_{year + n}" for n in range(3)]
        for instant, place in (
            ("1950-01-01+00", "past"),
            (f"{year + 1}-06-01+00", str(year + 1)),
            (f"{year + 9}-06-01+00", "later"),
        ):
            connection.execute("DELETE FROM feature_history")
            connection.execute("SELECT write_features(7, %s, '{\"age\": 1}')", [instant])
            assert connection.execute(PLACE).fetchone() == (f"feature_history_{place}",)
        # What stands in it stays in it: it has no end.
        connection.execute("SELECT add_history_years(make_timestamptz(%s, 1, 1, 0, 0, 0, 'UTC'))", [year + 12])
        assert connection.execute(PLACE).fetchone() == ("feature_history_later",)
