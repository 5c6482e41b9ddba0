"""The partitions of the history, one a year, and the instant since which it is kept."""

from datetime import datetime

import psycopg


def prepare_years(connection: psycopg.Connection) -> None:
    """Give this year and the next a partition. Not done where its lock is taken: events find a place all the same."""
    try:
        connection.execute("SELECT add_history_years(date_trunc('year', now()) + interval '2 years')")
    except psycopg.errors.LockNotAvailable:
        connection.rollback()
    connection.commit()


def kept_since(connection: psycopg.Connection) -> datetime | None:
    """The instant before which the history is not kept. None where all of it is."""
    row = connection.execute("SELECT before FROM history_retention").fetchone()
    return None if row is None else row[0]
