"""A database with the schema of the decision log for each test, from a template."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from decision_log.migrate import migrate
from decision_log.settings import Settings
from decisions import Log
from local_stack.postgres import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_decisions")
    migrate(Settings(database_url=SecretStr(server.url("template_decisions"))))
    return "template_decisions"


@pytest.fixture
def log(server: Server, template: str, tmp_path: Path) -> Iterator[Log]:
    name = f"decisions_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # in half the time
    yield Log(server, name, tmp_path / "log")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
