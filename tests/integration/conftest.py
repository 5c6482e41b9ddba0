"""A real PostgreSQL for the session; a database of its own for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from db_init.migrate import migrate
from db_init.settings import Settings
from folders import database_folder
from local_stack.postgres import Server, running_postgres
from sharded import Sharded, fresh_database, of_one_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with database_folder("features") as folder, running_postgres(folder) as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
            # The machine is not switched off in a test, and the disk is the slowest part of most of them.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET max_wal_size = '128MB'")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE template_features")
        migrate(Settings(database_url=SecretStr(running.url("template_features"))))
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The name of a fresh database with the schema in it. It goes with the test: all of them would take gigabytes."""
    with fresh_database(server, f"test_{next(_numbers)}") as name:
        yield name


@pytest.fixture
def sharded(server: Server, database: str) -> Iterator[Sharded]:
    """That database and another one, which share the clients."""
    with fresh_database(server, f"{database}_second") as second:
        yield of_one_server(server, (database, second))


@pytest.fixture
def settings(server: Server, database: str) -> Settings:
    return Settings(database_url=SecretStr(server.url(database)))


@pytest.fixture
def loans_file(tmp_path: Path) -> Path:
    return tmp_path / "loans.csv"
