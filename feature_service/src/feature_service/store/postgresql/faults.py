"""Failures of PostgreSQL: which errors of the driver mean what to a caller."""

import re
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
from asyncpg.pgproto import pgproto
from pydantic import SecretStr

from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from shared_schemas.shards import ONLY, Shard

log = structlog.get_logger()


class OtherDatabase(Exception):
    """The database records another share of the clients than the configured one."""


FAULTS = (
    OtherDatabase,
    OSError,
    TimeoutError,
    pgproto.BufferError,  # the bytes are not the protocol
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedTableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Errors of the driver if PostgreSQL is away, restarts, refuses, is not set up yet, or takes too long."""

LOST = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
"""The errors among them that mean: this connection has ended, another one may work."""


RETRIES = retries.labels("postgresql")


def statement(sql: str) -> tuple[str, dict[str, str]]:
    """Name and attributes of a statement in a trace: its action, its table, and its text."""
    found = _TABLE.search(sql)
    summary = " ".join([sql.split(maxsplit=1)[0], *(found.groups() if found else ())])
    text = " ".join(sql.split())
    return summary, {"db.system.name": "postgresql", "db.query.summary": summary, "db.query.text": text}


_TABLE = re.compile(r"\bFROM (?!\()(\w+)")


def unavailable(fault: Exception, ask: Ask[object], shard: Shard = ONLY) -> StoreUnavailable:
    """The problem for one of FAULTS. Logs the cause, which the caller does not get."""
    which = {} if shard == ONLY else {"database": shard.number}
    log.warning("store_unavailable", cause=type(fault).__name__, request_id=ask.request_id, **which)
    return StoreUnavailable()


_RECORDED = "SELECT number, of_databases FROM database_shard"


def checking(shard: Shard) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    """A check of each new connection of a pool, which raises OtherDatabase.

    A database with other clients would answer that a client does not exist.
    """

    async def check(connection: asyncpg.Connection) -> None:
        try:
            row = await connection.fetchrow(_RECORDED)
        except asyncpg.UndefinedTableError:  # a database of a release without shards
            row = None
        recorded = ONLY if row is None else Shard(*row)
        if recorded != shard:
            log.error("database_is_another", asked_for=str(shard), is_recorded_as=str(recorded))
            raise OtherDatabase

    return check


def revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
