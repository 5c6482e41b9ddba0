"""The history in partitions by time. Readers and writers go on: what takes long takes no lock that they wait for.

The table becomes the partition of all years until the next one; where it is empty, of those before this one. A check that says so is added first and proved without a
strong lock, so that attaching it reads nothing. What was interrupted is begun again.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psycopg
from alembic import op
from sqlalchemy.exc import OperationalError

revision = "0006"
down_revision = "0005"

_SQL = Path(__file__).parents[1] / "sql"
_LOADERS_LOCK = 0x6372_6564_6974
_BETWEEN_ATTEMPTS = 0.3

# Two days: what is written meanwhile is at most a day ahead.
_CUTOFF = """
    SELECT set_config('db_init.cutoff', (date_trunc('year', greatest(max(event_timestamp), now() + interval '2 days'), 'UTC')
                                         + interval '1 year')::text, false)
      FROM feature_history
"""
_CUTOFF_OF_NOTHING = "SELECT set_config('db_init.cutoff', date_trunc('year', now(), 'UTC')::text, false)"
_CHECKED = """
    DO $$ BEGIN
        ALTER TABLE feature_history DROP CONSTRAINT IF EXISTS feature_history_closed;
        EXECUTE format('ALTER TABLE feature_history ADD CONSTRAINT feature_history_closed CHECK (event_timestamp < %L) NOT VALID',
                       current_setting('db_init.cutoff')::timestamptz);
    END $$
"""
_EVENT_IDS = """
    CREATE UNIQUE INDEX CONCURRENTLY feature_history_past_event_id ON feature_history (event_id, event_timestamp)
     WHERE event_id IS NOT NULL
"""


def upgrade() -> None:
    op.execute("SET LOCAL TimeZone = 'UTC'")
    _locked()
    op.execute(_CUTOFF_OF_NOTHING)
    if op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM feature_history)").scalar():
        with op.get_context().autocommit_block():  # what was begun is committed first: the lock goes
            _prepare()
        op.execute("SET LOCAL TimeZone = 'UTC'")
        _locked()
    for name in ("0006_history_partitions", "0006_features_as_of"):
        op.execute((_SQL / f"{name}.sql").read_text(encoding="utf-8"))


def _prepare() -> None:
    op.execute("SET TimeZone = 'UTC'")
    op.execute("SET lock_timeout = '150ms'")
    op.execute(_CUTOFF)
    _when_free(_CHECKED)
    _when_free("ALTER TABLE feature_history VALIDATE CONSTRAINT feature_history_closed")
    op.execute("SET lock_timeout = 0")  # the next two wait without holding up anything
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS feature_history_past_event_id")
    op.execute(_EVENT_IDS)


def _locked() -> None:
    """Nothing else reads or writes the history from here to the end of the transaction."""
    op.execute(f"SELECT pg_advisory_xact_lock({_LOADERS_LOCK})")  # a load holds locks for as long as it writes
    op.execute("SET LOCAL lock_timeout = '150ms'")
    _when_free("LOCK TABLE feature_history IN ACCESS EXCLUSIVE MODE", op.get_bind().begin_nested)


def _when_free(statement: str, attempt: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
    """Run it once its lock is free. It never waits long for that: whatever comes after it in the queue would wait, too.

    `attempt`: what undoes an attempt that failed, inside a transaction.
    """
    while not _done(statement, attempt):
        time.sleep(_BETWEEN_ATTEMPTS)


def _done(statement: str, attempt: Callable[[], AbstractContextManager[object]]) -> bool:
    try:
        with attempt():
            op.execute(statement)
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            return False
        raise
    return True
