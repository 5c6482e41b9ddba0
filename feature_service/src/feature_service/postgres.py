"""The door to PostgreSQL: pools of connections, and what the driver's faults mean to a caller."""

import asyncpg
import structlog
from asyncpg.pgproto import pgproto
from pydantic import SecretStr

from feature_service.errors import StoreUnavailable

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


def unavailable(fault: Exception) -> StoreUnavailable:
    """The problem that one of FAULTS is to a caller. Logs the cause, which the answer does not tell."""
    log.warning("store_unavailable", cause=type(fault).__name__)
    return StoreUnavailable()


def revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
