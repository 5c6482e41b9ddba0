"""The online stores, each behind the seam, on a fresh database and a fresh table."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from db_init.settings import Settings as DbSettings
from emulated import CREDENTIALS, MISSING, emulator
from loans import run
from local_stack.postgres import Server
from online_stores import OpenOnline, opened, service_settings
from replicated import Node, primary_and_replica, wait_until


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[str]:
    """The address of an emulator: one that DYNAMODB_ENDPOINT names and that has no tables yet, or one of our own."""
    given = os.environ.get("DYNAMODB_ENDPOINT")
    if MISSING and not given:
        pytest.skip(MISSING)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield given or stack.enter_context(emulator()).address


@pytest.fixture
def table(dynamodb: str, database: str) -> str:
    """The address of a table that is not there yet."""
    return f"dynamodb://{database}?region=eu-central-1&endpoint={dynamodb}"


@pytest.fixture
def publishing(table: str, settings: DbSettings, monkeypatch: pytest.MonkeyPatch) -> DbSettings:
    """Settings of db_init, the table made and changes marked."""
    monkeypatch.setenv("DB_INIT_ONLINE_STORE", table)
    assert run(settings, "publish", "--create-table") == 0
    return settings.model_copy(update={"online_store": table})


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Node, Node]]:
    with primary_and_replica() as (primary, replica):
        yield primary, replica


@pytest.fixture
def replicated(servers: tuple[Node, Node], database: str) -> dict[str, object]:
    """Settings of a database with a replica, from which vectors are read."""
    primary, replica = servers
    primary.run(f"CREATE DATABASE {database} TEMPLATE postgres", database="template1")
    wait_until(replica, "SELECT FROM pg_database WHERE datname = %s", database)
    return {
        "database_url": primary.url(database, "feature_service"),
        "writer_database_url": primary.url(database, "feature_writer"),
        "replica_url": replica.url(database, "feature_service"),
        "max_store_lag_ms": 5_000,
    }


@pytest.fixture(params=["postgresql", "replica", "shards", "dynamodb"])
def online(request: pytest.FixtureRequest, server: Server, database: str) -> OpenOnline:
    store = "postgresql"
    if request.param == "replica":
        replicated = request.getfixturevalue("replicated")
        return lambda: opened(service_settings(server, database, **replicated))
    if request.param == "shards":
        sharded = request.getfixturevalue("sharded")
        return lambda: opened(sharded.service(database_timeout_seconds=10))
    if request.param == "dynamodb":
        store = request.getfixturevalue("publishing").online_store
    return lambda: opened(service_settings(server, database, online_store=store))
