"""One snapshot of the database, read row by row in bounded memory, one batch ahead."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg

_BATCH = 2_000
Row = tuple[object, ...]


class Snapshot:
    """Reads rows, and calls `advance` with their number. The connection's transaction must not have read anything."""

    def __init__(self, connection: psycopg.Connection, advance: Callable[[int], None]) -> None:
        self._connection = connection
        self._advance = advance
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL cursor_tuple_fraction = 1")  # every row is read: plan for the whole result
        # Joins must look rows up by index, in the order of the table: hashing or sorting wide rows would spill to disk.
        connection.execute("SET LOCAL enable_hashjoin = off")
        connection.execute("SET LOCAL enable_mergejoin = off")

    def rows(self, name: str, sql: str) -> Iterator[Row]:
        """The rows of a query, through a server-side cursor called `name`."""
        with self._connection.cursor(name, binary=True) as cursor, ThreadPoolExecutor(1) as reader:
            cursor.execute(sql)
            ahead = reader.submit(cursor.fetchmany, _BATCH)
            while rows := ahead.result():
                ahead = reader.submit(cursor.fetchmany, _BATCH)
                yield from rows
                self._advance(len(rows))

    def all(self, sql: str, *arguments: object) -> list[Row]:
        return self._connection.execute(sql, arguments).fetchall()
