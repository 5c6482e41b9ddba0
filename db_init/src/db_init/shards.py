"""The databases of a command, one after the other: each has its share of the clients, and is changed on its own."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from db_init.database import REASONS, connect, explained
from db_init.errors import LoadError
from db_init.feature_sets.stored import applied_set
from db_init.settings import PREFIX, Settings
from shared_schemas.shards import ONLY, Shard, shard_of

if TYPE_CHECKING:
    from db_init.engines import Engine

_TIMES = "SELECT times FROM shard_loads WHERE content = %s"
_FAILURES: tuple[type[Exception], ...] = (LoadError, *REASONS)
_RECORD = """
    INSERT INTO shard_loads AS l (content, times, loaded_at) VALUES (%s, 1, now())
        ON CONFLICT (content) DO UPDATE SET times = l.times + 1, loaded_at = excluded.loaded_at
"""


class Share(NamedTuple):
    """What one database gets of a file. `content`: what is recorded in it as loaded; None: nothing, as it is the only one."""

    shard: Shard = ONLY
    content: str | None = None

    def keep_own(self, engine: "Engine", lines: str, client_id: str) -> None:
        """Of a table of lines, and of `malformed`, keep what it gets. The first gets the lines that no client can be read of."""
        if self.shard == ONLY:
            return
        table = engine.table(lines)
        own = shard_of(table[client_id].fill_null(0), self.shard.of) == self.shard.number
        engine.keep(lines, table.filter(own))
        if self.shard.number > 1:
            engine.make("malformed", "SELECT * FROM malformed WHERE false")

    def refuse_others(self, engine: "Engine", lines: str, client_id: str, reason: str) -> None:
        """Of a table of lines in quarantine, those of clients that another database knows stay there, with this reason."""
        if self.shard == ONLY:
            return
        table = engine.table(lines)
        own: Any = shard_of(table[client_id].fill_null(0), self.shard.of) == self.shard.number
        held = own.ifelse(table[reason], table[reason].coalesce("client_of_another_database"))
        engine.keep(lines, table.mutate(**{reason: held}))

    def record(self, connection: psycopg.Connection) -> None:
        """In the transaction of the load."""
        if self.content is not None:
            connection.execute(_RECORD, [self.content])


WHOLE = Share()


def shards(settings: Settings) -> list[Shard]:
    count = len(settings.database_urls)
    return [Shard(number, count) for number in range(1, count + 1)]


def only_database(settings: Settings, what: str) -> None:
    """Raises LoadError where there are several."""
    if len(settings.database_urls) > 1:
        raise LoadError(f"{what} works on one database, and {PREFIX}DATABASE_URL names {len(settings.database_urls)}.")


@contextmanager
def turn_of(shard: Shard, *, changing: bool = True) -> Iterator[None]:
    """What fails names the database, where there are several."""
    kept = "\nWhat was done in the databases before it stays: run the command again, and it goes on."
    kept = kept if changing and shard.number > 1 else ""
    try:
        yield
    except _FAILURES as error:
        if shard == ONLY:
            raise
        reason = error if isinstance(error, LoadError) else explained(error)
        raise LoadError(f"{str(shard).capitalize()}: {reason}{kept}") from error
    except KeyboardInterrupt:
        if not kept:
            raise
        print(f"Interrupted in {shard}.{kept}", file=sys.stderr)
        raise SystemExit(130) from None


@contextmanager
def connected(settings: Settings, shard: Shard, *, changing: bool = True) -> Iterator[psycopg.Connection]:
    """A connection to the database with that share. It is committed where nothing fails."""
    with turn_of(shard, changing=changing), connect(settings, shard) as connection:
        yield connection


def reachable(settings: Settings) -> list[Shard]:
    """All databases. Raises LoadError where one of several cannot be asked, before anything is changed in the others."""
    found = shards(settings)
    if found != [ONLY]:
        for shard in found:
            with connected(settings, shard, changing=False):
                pass
    return found


def due(settings: Settings, what: Callable[[], str], say: Callable[[str], None]) -> list[Share]:
    """Shares of a file, of the databases that have loaded it less often than others, else of all.

    Raises LoadError where a database cannot be asked, or has another feature set in force than the one before it.
    """
    if len(settings.database_urls) == 1:
        return [WHOLE]
    content = what()
    times = dict(_loaded(settings, shard, content) for shard in shards(settings))
    if len({share.content for share in times}) > 1:
        raise LoadError("The databases have different feature sets in force: apply the set again.")
    least = min(times.values())
    for share, known in times.items():
        if known > least:
            say(f"{share.shard} has this file already")
    return [share for share, known in times.items() if known == least]


def _loaded(settings: Settings, shard: Shard, content: str) -> tuple[Share, int]:
    """How often."""
    with connected(settings, shard, changing=False) as connection:
        share = Share(shard, f"{content} {applied_set(connection).feature_set.digest}")
        row = connection.execute(_TIMES, [share.content]).fetchone()
    return share, row[0] if row else 0
