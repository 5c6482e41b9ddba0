"""The feature service with a role that may write, and a look at what it leaves in the database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
from pydantic import SecretStr

from asgi import client_of
from both_services import CREDIT_DEFAULT
from feature_service.app import create_app
from feature_service.settings import Settings
from local_stack.postgres import Server

NAMES = tuple(feature.name for feature in CREDIT_DEFAULT.features)


@asynccontextmanager
async def service(server: Server, database: str) -> AsyncIterator[httpx.AsyncClient]:
    reader, writer = (SecretStr(server.url(database, user=role)) for role in ("feature_service", "feature_writer"))
    # A busy machine is slow and still right.
    settings = Settings(
        database_url=reader, writer_database_url=writer, database_timeout_seconds=5, answer_timeout_seconds=10
    )
    async with client_of(create_app(settings)) as client:
        yield client


def address(client_id: int = 5) -> str:
    return f"/online_feature_store/client_id={client_id}"


async def put(client: httpx.AsyncClient, instant: str, client_id: int = 5, **values: object) -> Mapping[str, Any]:
    answer = await client.put(address(client_id), json={"event_timestamp": instant, **values})
    assert answer.status_code == 200, answer.text
    body: Mapping[str, Any] = answer.json()
    return body


async def read(client: httpx.AsyncClient, as_of: str | None = None, client_id: int = 5) -> tuple[Any, ...] | None:
    """The five values in their order; None where there are none."""
    answer = await client.get(address(client_id), params={"as_of": as_of} if as_of else {})
    if answer.status_code == 404:
        return None
    vector = answer.raise_for_status().json()
    return tuple(vector[name] for name in NAMES)


def counted(server: Server, database: str) -> dict[str, int]:
    """The rows of each table."""
    with psycopg.connect(server.url(database)) as connection:
        found = {}
        for table in ("online_features", "feature_history", "quarantine"):
            [found[table]] = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or [0]
        return found
