"""The partitions of the history, one per year, and the time since which it is kept."""

from datetime import datetime

import psycopg


def prepare_years(connection: psycopg.Connection) -> None:
    """Create the partitions of this year and the next. Skipped if the lock is taken: the last partition has no end."""
    try:
        connection.execute("SELECT add_history_years(date_trunc('year', now()) + interval '2 years')")
    except psycopg.errors.LockNotAvailable:
        connection.rollback()
    connection.commit()


def kept_since(connection: psycopg.Connection) -> datetime | None:
    """The time before which the history is not kept; None if all of it is kept."""
    row = connection.execute("SELECT before FROM history_retention").fetchone()
    return None if row is None else row[0]
