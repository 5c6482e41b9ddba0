"""The sequencer's access to the tree in PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg

from decision_log.errors import CannotSign
from decision_log.tree.hashes import SIZE, leaf_hash
from decision_log.tree.tiles import Range, Tile, TileMissing, edge, extended, needed, range_hash

LOCK = 0x6465_6369_7367
MOST_AT_ONCE = 16_384

# One snapshot for the transaction: all statements see the same rows of the queue. A row with a smaller id that is
# committed later is taken by the next step. No statement joins the queue, because its statistics are always outdated.
_ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_QUEUED = """
    SELECT max(id), string_agg(commitment, '' ORDER BY id) FROM (SELECT id, commitment FROM queue ORDER BY id LIMIT %s) AS oldest
"""
_ADD_LEAVES = """
    INSERT INTO leaves (index, commitment)
    SELECT %s - 1 + row_number() OVER (ORDER BY id), commitment FROM queue WHERE id <= %s
"""
_TAKE = "DELETE FROM queue WHERE id <= %s"
# Remove queued entries that are in the log or in the queue already. This is rare and may be slow.
_DROP_KNOWN = """
    DELETE FROM queue WHERE EXISTS (SELECT FROM leaves WHERE leaves.commitment = queue.commitment)
        OR EXISTS (SELECT FROM queue AS earlier WHERE earlier.commitment = queue.commitment AND earlier.id < queue.id)
"""
_PUT_TILES = """
    INSERT INTO tiles (level, number, hashes) SELECT * FROM unnest(%s::smallint[], %s::bigint[], %b::bytea[])
        ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
"""
_GET_TILES = """
    SELECT level, number, hashes FROM tiles
      JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, number) USING (level, number)
"""
_PUBLISH = """
    INSERT INTO checkpoints (origin, size, note) VALUES (%s, %s, %s) ON CONFLICT (origin, size) DO NOTHING
"""


class Published(NamedTuple):
    id: int
    size: int
    note: str


class TreeStore:
    """Reads and extends the tree. `connection` is in autocommit mode."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def lock(self) -> bool:
        """Try to take the sequencer's lock of the database, until the connection ends. Return whether it is held."""
        [taken] = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() or [False]
        return bool(taken)

    def size(self) -> int:
        [size] = self._connection.execute("SELECT coalesce(max(index) + 1, 0) FROM leaves").fetchone() or [0]
        return int(size)

    def queued(self) -> bool:
        return self._connection.execute("SELECT FROM queue LIMIT 1").fetchone() is not None

    def published(self, origin: str) -> Published | None:
        """The newest checkpoint of a log; None if it has none."""
        sql = "SELECT id, size, note FROM checkpoints WHERE origin = %s ORDER BY size DESC LIMIT 1"
        row = self._connection.execute(sql, [origin]).fetchone()
        return Published(*row) if row else None

    def publish(self, origin: str, size: int, note: str) -> None:
        self._connection.execute(_PUBLISH, [origin, size, note])

    def cosigned(self, checkpoint: int, witness: str, line: str) -> None:
        sql = "INSERT INTO cosignatures (checkpoint, witness, line) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        self._connection.execute(sql, [checkpoint, witness, line])

    def integrate(self, most: int = MOST_AT_ONCE) -> int:
        """Give queued entries their index and extend the tiles, in one transaction. Return the number of entries."""
        try:
            return self._integrated(most)
        except psycopg.errors.UniqueViolation:
            self._connection.execute(_DROP_KNOWN)
            return self._integrated(most)

    def _integrated(self, most: int) -> int:
        with self._connection.transaction():
            self._connection.execute(_ONE_SNAPSHOT)
            [last, entries] = self._connection.execute(_QUEUED, [most], binary=True).fetchone() or (None, None)
            if last is None:
                return 0
            size = self.size()
            hashes = [leaf_hash(entries[at : at + SIZE]) for at in range(0, len(entries), SIZE)]
            grown = extended(size, self._tiles(edge(size)), hashes)
            self._connection.execute(_ADD_LEAVES, [size, last])
            self._connection.execute(_TAKE, [last])
            self._connection.execute(_PUT_TILES, [*_keys(grown), list(grown.values())])
        return len(hashes)

    def hashes(self, ranges: Sequence[Range]) -> list[bytes]:
        """The tree's hashes over ranges of leaves. Raises CannotSign if a tile is missing or too short."""
        tiles = self._tiles(needed(ranges))
        try:
            return [range_hash(each, tiles) for each in ranges]
        except TileMissing as error:
            raise CannotSign(
                f"The database holds a damaged tree: {error} is missing or too short. "
                "`python -m decision_log audit` names what else is; restore the database from a backup."
            ) from error

    def _tiles(self, wanted: Iterable[Tile]) -> dict[Tile, bytes]:
        rows = self._connection.execute(_GET_TILES, _keys(wanted), binary=True)
        return {Tile(level, number): hashes for level, number, hashes in rows}


def _keys(tiles: Iterable[Tile]) -> list[list[int]]:
    named = list(tiles)
    return [[tile.level for tile in named], [tile.number for tile in named]]
