"""The door to PostgreSQL: pools of connections, and what the driver's faults mean to a caller."""

import re

import asyncpg
import structlog
from asyncpg.pgproto import pgproto
from pydantic import SecretStr

from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries

log = structlog.get_logger()

FAULTS = (
    OSError,
    TimeoutError,
    pgproto.BufferError,  # what comes is not the protocol
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
"""What the driver raises when PostgreSQL is away, restarts, refuses, is not set up yet, or takes too long."""

LOST = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
"""Those of them that say that this connection has ended, not that there is no other."""


RETRIES = retries.labels("postgresql")


def statement(sql: str) -> tuple[str, dict[str, str]]:
    """The name and the attributes of a statement in a trace: what it does to which table, and its text."""
    found = _TABLE.search(sql)
    summary = " ".join([sql.split(maxsplit=1)[0], *(found.groups() if found else ())])
    text = " ".join(sql.split())
    return summary, {"db.system.name": "postgresql", "db.query.summary": summary, "db.query.text": text}


_TABLE = re.compile(r"\bFROM (?!\()(\w+)")


def unavailable(fault: Exception, ask: Ask[object]) -> StoreUnavailable:
    """The problem that one of FAULTS is to a caller. Logs the cause, which the answer does not tell."""
    log.warning("store_unavailable", cause=type(fault).__name__, request_id=ask.request_id)
    return StoreUnavailable()


def revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
