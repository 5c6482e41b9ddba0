"""The migration to a partitioned history, while readers and writers are at work: how long each of them waited."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from local_stack.postgres import Server

FILL = """
    INSERT INTO feature_history (client_id, event_timestamp, event_id, said, outcome)
    SELECT n %% %(clients)s + 1, timestamptz '2010-01-01+00' + n * (interval '15 years' / %(rows)s),
           CASE WHEN n %% 3 > 0 THEN n END,
           json_build_object('nb_previous_loans', n %% 50, 'avg_amount_loans_previous', n * 0.5, 'age', 20 + n %% 60,
                             'years_on_the_job', n %% 30, 'flag_own_car', n %% 2), n %% 2
      FROM generate_series(1, %(rows)s) AS n
"""
ONLINE = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, '2025-01-01+00', json_build_object('age', n %% 60) FROM generate_series(1, %(clients)s) AS n
"""
GRANTS = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feature_reader') THEN
            CREATE ROLE feature_reader NOLOGIN;
            CREATE ROLE feature_service LOGIN IN ROLE feature_reader;
            CREATE ROLE feature_writer LOGIN;
        END IF;
    END $$;
    GRANT USAGE ON SCHEMA public TO feature_reader, feature_writer;
    GRANT SELECT ON online_features TO feature_reader, feature_writer;
    GRANT SELECT (client_id, event_timestamp, event_id, said, received_at, seq) ON feature_history TO feature_reader, feature_writer;
    GRANT INSERT (client_id, event_timestamp, said), DELETE ON feature_history TO feature_writer;
    GRANT EXECUTE ON FUNCTION write_features(bigint, timestamptz, json) TO feature_writer;
"""
CURRENT = "SELECT client_id, v FROM online_features WHERE client_id = %s"
AS_OF = "SELECT client_id, event_timestamp, v::text, times::text FROM features_as_of(ARRAY[%s::bigint], ARRAY[%s::timestamptz])"
WRITE = "SELECT write_features(%s, now() - %s * interval '1 day', '{\"age\": 44}')"


_PAUSE = 0.001


def fill(server: Server, database: str, rows: int, clients: int) -> None:
    """Two thirds raw events, one third writes. Clients from 1 to `clients`."""
    with psycopg.connect(server.url(database)) as connection:
        for statement in (FILL, ONLINE):
            connection.execute(statement, {"rows": rows, "clients": clients})
        connection.execute(GRANTS)
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE feature_history, online_features")


@dataclass
class Waits:
    """Seconds that each statement took, by what it does, and what failed."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"current": [], "as of": [], "write": []})
    failures: list[psycopg.Error] = field(default_factory=list)

    def __str__(self) -> str:
        lines = []
        for name, seconds in self.seconds.items():
            ordered = sorted(seconds)
            p99 = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
            worst = ordered[-1] if ordered else 0.0
            lines.append(f"{name}: {len(ordered)} statements, p99 {p99 * 1e3:.1f} ms, longest {worst * 1e3:.1f} ms")
        return "\n".join(lines)


@contextmanager
def at_work(
    server: Server, database: str, clients: int, each: int = 2, instant: str = "2020-06-01+00", days: int = 900
) -> Iterator[Waits]:
    """Readers of clients up to `clients`, as of an instant too, and writers of those above, meanwhile.

    Events that are written are at most so many days old.
    """
    waits, over = Waits(), threading.Event()

    def work(name: str, role: str, run: Callable[[psycopg.Connection, random.Random], object], seed: int) -> None:
        dice = random.Random(seed)
        with psycopg.connect(server.url(database, user=role), autocommit=True) as connection:
            while not over.is_set():
                started = time.perf_counter()
                try:
                    run(connection, dice)
                except psycopg.Error as error:
                    waits.failures.append(error)
                waits.seconds[name].append(time.perf_counter() - started)
                over.wait(_PAUSE)

    works: tuple[tuple[str, str, Callable[[psycopg.Connection, random.Random], object]], ...] = (
        ("current", "feature_service", lambda one, dice: one.execute(CURRENT, [dice.randint(1, clients)]).fetchall()),
        ("as of", "feature_service", lambda one, dice: one.execute(AS_OF, [dice.randint(1, clients), instant]).fetchall()),
        ("write", "feature_writer", lambda one, dice: one.execute(WRITE, [clients + dice.randint(1, clients), dice.randint(0, days)])),
    )  # fmt: skip
    threads = [
        threading.Thread(target=work, args=(*one, seed * 10 + n)) for n, one in enumerate(works) for seed in range(each)
    ]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        over.set()
        for thread in threads:
            thread.join()
