"""The databases of a command. Each has a share of the clients; they are changed one after the other, independently."""

import sys
from collections.abc import Callable, Iterable, Iterator
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
    """The share of a file for one database. `content`: the text to record as loaded; None for a single database."""

    shard: Shard = ONLY
    content: str | None = None

    def keep_own(self, engine: "Engine", lines: str, client_id: str) -> None:
        """Reduce a table of lines, and `malformed`, to this share. The first database gets lines without a client."""
        if self.shard == ONLY:
            return
        table = engine.table(lines)
        own = shard_of(table[client_id].fill_null(0), self.shard.of) == self.shard.number
        engine.keep(lines, table.filter(own))
        if self.shard.number > 1:
            engine.make("malformed", "SELECT * FROM malformed WHERE false")

    def refuse_others(self, engine: "Engine", lines: str, client_id: str, reason: str) -> None:
        """Refuse quarantined lines of other databases' clients: set the column `reason` of the table `lines`."""
        if self.shard == ONLY:
            return
        table = engine.table(lines)
        own: Any = shard_of(table[client_id].fill_null(0), self.shard.of) == self.shard.number
        held = own.ifelse(table[reason], table[reason].coalesce("client_of_another_database"))
        engine.keep(lines, table.mutate(**{reason: held}))

    def record(self, connection: psycopg.Connection) -> None:
        """Record the load, in its own transaction."""
        if self.content is not None:
            connection.execute(_RECORD, [self.content])


WHOLE = Share()


def shards(settings: Settings) -> list[Shard]:
    count = len(settings.database_urls)
    return [Shard(number, count) for number in range(1, count + 1)]


def only_database(settings: Settings, what: str) -> None:
    """Raise LoadError if the settings name several databases."""
    if len(settings.database_urls) > 1:
        raise LoadError(f"{what} works on one database, and {PREFIX}DATABASE_URL names {len(settings.database_urls)}.")


@contextmanager
def turn_of(shard: Shard, *, changing: bool = True) -> Iterator[None]:
    """In the block, name the database in errors if there are several, and say that earlier ones keep their changes."""
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
    """A connection to the database of the shard, which is committed if nothing fails."""
    with turn_of(shard, changing=changing), connect(settings, shard) as connection:
        yield connection


def reachable(settings: Settings) -> list[Shard]:
    """All databases. Raises LoadError if one of several does not answer, before the others are changed."""
    found = shards(settings)
    if found != [ONLY]:
        for shard in found:
            with connected(settings, shard, changing=False):
                pass
    return found


def require_one_set(sets: Iterable[str | None]) -> None:
    """Raise LoadError if the databases, each with a text that identifies its set, have different ones in force."""
    if len(set(sets)) > 1:
        raise LoadError("The databases have different feature sets in force: apply the set again.")


def agreeing(settings: Settings) -> list[Shard]:
    """All databases. Raises LoadError if one of several does not answer, or if their feature sets differ."""
    found = shards(settings)
    known = []
    for shard in found if found != [ONLY] else ():
        with connected(settings, shard, changing=False) as connection:
            known.append(applied_set(connection).feature_set.digest)
    require_one_set(known)
    return found


def due(settings: Settings, what: Callable[[], str], say: Callable[[str], None]) -> list[Share]:
    """The shares of a file that are due: of databases that loaded it less often than others, otherwise of all.

    `what` returns a text that identifies the file. Raises LoadError if a database does not answer, or if the databases
    have different feature sets in force.
    """
    if len(settings.database_urls) == 1:
        return [WHOLE]
    content = what()
    times = dict(_loaded(settings, shard, content) for shard in shards(settings))
    require_one_set(share.content for share in times)
    least = min(times.values())
    for share, known in times.items():
        if known > least:
            say(f"{share.shard} has this file already")
    return [share for share, known in times.items() if known == least]


def _loaded(settings: Settings, shard: Shard, content: str) -> tuple[Share, int]:
    """The share of a database, and how often it loaded this content."""
    with connected(settings, shard, changing=False) as connection:
        share = Share(shard, f"{content} {applied_set(connection).feature_set.digest}")
        row = connection.execute(_TIMES, [share.content]).fetchone()
    return share, row[0] if row else 0
