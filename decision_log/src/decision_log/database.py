"""Database connections of the commands and of the sequencer."""

import time

import psycopg

from decision_log.errors import CommandFailed
from decision_log.settings import PREFIX, Settings


def connect(settings: Settings, *, application: str = "decision_log", autocommit: bool = False) -> psycopg.Connection:
    """Connect, waiting for a server that is starting. Raises CommandFailed after `wait_seconds` without an answer."""
    deadline = time.monotonic() + settings.wait_seconds
    url = settings.url()
    while True:
        try:
            return psycopg.connect(
                url,
                password=settings.password(),
                application_name=application,
                connect_timeout=5,
                autocommit=autocommit,
                options="-c timezone=UTC -c client_min_messages=warning -c synchronous_commit=on",
            )
        except psycopg.ProgrammingError as error:
            raise CommandFailed(f"{PREFIX}DATABASE_URL is not the URL of a PostgreSQL database.") from error
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise CommandFailed(
                    f"The database does not answer, or refuses this role. Check {PREFIX}DATABASE_URL, "
                    "and that PostgreSQL runs."
                ) from error
            time.sleep(0.5)
