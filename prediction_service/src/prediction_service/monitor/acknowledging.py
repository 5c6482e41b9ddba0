"""Closes an alarm: keeps the reference, or makes the window since the change the new reference."""

from datetime import date, timedelta
from uuid import UUID

import asyncpg

from decision_log import Database
from prediction_service.monitoring.reference import Reference

_FOR_UPDATE = """
    SELECT model_version, stream, state, since FROM monitoring_alarms WHERE id = $1 FOR UPDATE
"""
_WINDOW = """
    SELECT bin, sum(clients)::bigint AS clients FROM monitoring_counts
     WHERE model_version = $1 AND stream = $2 AND day >= $3 AND (previous_day IS NULL OR previous_day < $3) GROUP BY bin
"""
_CLOSE = """
    UPDATE monitoring_alarms SET state = 'acknowledged', closed_at = now(), closed_by = $2, action = $3 WHERE id = $1
"""
# Windows restart, so that the days that caused the alarm are not evidence a second time.
_ANEW = """
    INSERT INTO monitoring_streams AS kept (model_version, stream, not_before, adopted) VALUES ($1, $2, $3, $4)
        ON CONFLICT (model_version, stream) DO UPDATE
       SET not_before = excluded.not_before, adopted = coalesce(excluded.adopted, kept.adopted), log_e = NULL, since = NULL
"""


class NoSuchAlarm(Exception):
    """There is no alarm with this id."""


class NotOpen(Exception):
    """The alarm was acknowledged or superseded before."""


class NotAdoptable(Exception):
    """The window cannot become the reference. The message says why."""


async def acknowledge(
    database: Database, alarm: UUID, said: tuple[str, str | None], reference: Reference | None, today: date
) -> None:
    """Close an alarm. `said`: the action, and the name of the caller's API key.

    Raises NoSuchAlarm, NotOpen, NotAdoptable and LogUnavailable.
    """
    action, caller = said

    async def work(connection: asyncpg.Connection) -> None:
        row = await connection.fetchrow(_FOR_UPDATE, alarm)
        if row is None:
            raise NoSuchAlarm
        if row["state"] != "open":
            raise NotOpen
        adopted = await _window(connection, row, reference) if action == "adopt_reference" else None
        await connection.execute(_CLOSE, alarm, caller, action)
        tomorrow = today + timedelta(days=1)
        await connection.execute(_ANEW, row["model_version"], row["stream"], tomorrow, adopted)

    await database.write(work, None)


async def _window(connection: asyncpg.Connection, row: asyncpg.Record, reference: Reference | None) -> tuple[int, ...]:
    quantity = next((one for one in reference.quantities if one.name == row["stream"]), None) if reference else None
    if quantity is None:
        raise NotAdoptable("This stream has no reference population that a window could replace: keep the reference.")
    counts = [0] * len(quantity.counts)
    for found in await connection.fetch(_WINDOW, row["model_version"], row["stream"], row["since"]):
        counts[found["bin"]] = found["clients"]
    try:
        return quantity.adopted(counts).counts
    except ValueError as error:
        raise NotAdoptable("The window has too few clients: a reference needs 1,000.") from error
