"""What each role of the services may do, and what PostgreSQL refuses it."""

import psycopg
import pytest
from pydantic import SecretStr

from db_init.migrate import READER, WRITER, migrate
from db_init.settings import Settings
from local_stack.postgres import Server

CHANGES = [
    "INSERT INTO online_features (client_id, event_timestamp, v) VALUES (1, now(), '{}')",
    "UPDATE online_features SET v = '{}'",
    "DELETE FROM online_features",
    "INSERT INTO feature_history (client_id, event_timestamp, said) VALUES (1, now(), '{}')",
    "DELETE FROM feature_history",
    "DELETE FROM quarantine",
]
READS = [
    "SELECT client_id FROM online_features",
    "SELECT client_id, said FROM feature_history",
    "SELECT document FROM feature_sets",
    "SELECT number FROM database_shard",
    "SELECT v FROM features_as_of('{1}', '{infinity}')",
]
OF_THE_OWNER = [
    "SELECT outcome FROM feature_history",
    "SELECT raw FROM feature_history",
    "INSERT INTO feature_history (client_id, event_timestamp, event_id, said) VALUES (1, now(), 1, '{}')",
    "INSERT INTO feature_history (client_id, event_timestamp, said, seq) VALUES (1, now(), '{}', 1)",
    "UPDATE feature_history SET said = '{}'",
    "UPDATE feature_sets SET current = false",
    "INSERT INTO feature_sets (name, digest, document) VALUES ('s', 'd', '{}')",
    "UPDATE feature_history SET client_id = 2",
    "INSERT INTO quarantine (source, line, reason, row) VALUES ('f', 1, 'r', '{}')",
    "UPDATE quarantine SET reason = 'r'",
    "TRUNCATE online_features",
    "TRUNCATE quarantine",
    "DROP TABLE quarantine",
    "CREATE TABLE mine (n integer)",
    "ALTER TABLE online_features DISABLE TRIGGER ALL",
    "SET ROLE postgres",
    "CREATE ROLE other",
    "INSERT INTO store_heartbeats VALUES (gen_random_uuid(), 1, now())",
    "UPDATE store_heartbeats SET beat = 2",
    "DELETE FROM store_heartbeats",
    "INSERT INTO database_shard (number, of_databases) VALUES (1, 2)",
    "DELETE FROM database_shard",
    "SELECT content FROM shard_loads",
]


def refused(server: Server, database: str, role: str, statement: str) -> bool:
    """Whether PostgreSQL refuses it for want of a privilege, though the role asks for a session that may write."""
    with psycopg.connect(server.url(database, user=role), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False


@pytest.mark.parametrize("statement", [*CHANGES, "SELECT row FROM quarantine", *OF_THE_OWNER])
def test_the_reader_changes_nothing(server: Server, database: str, statement: str) -> None:
    assert refused(server, database, READER, statement)


@pytest.mark.parametrize("statement", OF_THE_OWNER)
def test_the_writer_cannot_do_what_is_the_owners(server: Server, database: str, statement: str) -> None:
    assert refused(server, database, WRITER, statement)


def test_what_is_refused_to_one_is_not_refused_to_whoever_may(server: Server, database: str) -> None:
    for statement in READS:
        assert not refused(server, database, READER, statement)
    for statement in (*READS, *CHANGES, "SELECT row FROM quarantine"):
        assert not refused(server, database, WRITER, statement)
    for statement in OF_THE_OWNER[:9]:
        assert not refused(server, database, "postgres", statement)


def test_a_heartbeat_is_all_that_the_reader_may_write(server: Server, database: str) -> None:
    beat = "SELECT beat_store('00000000-0000-4000-8000-000000000001', {0})"
    assert refused(server, database, WRITER, beat.format(1))
    with psycopg.connect(server.url(database, user=READER), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        for number in (1, 3, 2):
            connection.execute(beat.format(number))
    with psycopg.connect(server.url(database, user=READER)) as connection:
        assert connection.execute("SELECT beat FROM store_heartbeats").fetchall() == [(3,)]


def test_the_heartbeats_of_processes_that_have_ended_go(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO store_heartbeats SELECT gen_random_uuid(), 1, now() - n * interval '50 minutes' FROM generate_series(0, 3) AS n"
        )
        connection.execute("SELECT beat_store(gen_random_uuid(), 1)")
        assert connection.execute("SELECT count(*) FROM store_heartbeats").fetchone() == (3,)


def test_the_writers_role_ends_what_takes_too_long(server: Server, database: str) -> None:
    with psycopg.connect(server.url(database, user=WRITER), autocommit=True) as connection:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("10s",)


@pytest.mark.parametrize(("role", "setting"), [(READER, "reader_password"), (WRITER, "writer_password")])
def test_a_password_is_given_to_its_role_alone_and_kept(server: Server, database: str, role: str, setting: str) -> None:
    url = SecretStr(server.url(database))

    def passwords() -> dict[str, str]:
        with psycopg.connect(server.url(database)) as connection:
            query = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY (%s)"
            return dict(connection.execute(query, [[READER, WRITER]]).fetchall())

    before = passwords()
    migrate(Settings.model_validate({"database_url": url, setting: "generated-for-a-test"}))
    after = passwords()
    assert {name for name in before if before[name] != after[name]} == {role}
    assert after[role].startswith("SCRAM-SHA-256$")
    migrate(Settings(database_url=url))
    assert passwords() == after
