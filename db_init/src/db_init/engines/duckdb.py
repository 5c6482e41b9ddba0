"""Runs the pipeline in DuckDB: reads files, computes on disk where memory ends, writes CSV for PostgreSQL."""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import ibis

from db_init.engines.dialects import DUCKDB
from db_init.errors import LoadError
from db_init.loading.csv_lines import rewrite
from db_init.loading.files import Scan, check_columns, check_readable, csv_columns, is_parquet, scan
from db_init.progress import Steps

_THREADS = os.cpu_count() or 1
_LONGEST_LINE = 1 << 21


class DuckDB:
    """A database in a temporary folder, which goes with it."""

    dialect = DUCKDB
    refusals: tuple[type[Exception], ...] = (duckdb.DataError, duckdb.ProgrammingError)

    def __init__(self, folder: Path, memory: str) -> None:
        self.folder = folder
        self.numbered = False
        """Whether the columns of `raw` are called c0, c1, ... in the order in which they are asked for."""
        self.ibis = ibis.duckdb.connect()
        self._sql: duckdb.DuckDBPyConnection = self.ibis.con
        spill = str(folder / "spill")
        self.run(f"SET memory_limit = '{memory}'; SET temp_directory = '{spill}'; SET TimeZone = 'UTC'")
        self.run(f"SET threads = {_THREADS}; SET enable_progress_bar = true; SET enable_progress_bar_print = false")

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._sql.execute(statement, values).fetchall()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.run(query)

    def make(self, name: str, query: str) -> None:
        self.run(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def table(self, name: str) -> Any:
        return self.ibis.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        """The table of an expression's rows, computed once."""
        self.make(name, self.ibis.compile(expression))
        return self.table(name)

    def count(self, name: str) -> int:
        return int(self.run(f"SELECT count(*) FROM {name}")[0][0])

    def to_csv(self, query: str, file: Path) -> Path:
        """Write the rows of a query; null is an empty cell."""
        # In their order and with several threads, rows would be gathered in memory before they are written.
        self.run(
            f"SET threads = 1; COPY ({query}) TO '{_quoted(file)}' (FORMAT csv, HEADER false); SET threads = {_THREADS}"
        )
        return file

    def to_parquet(self, name: str, file: Path, metadata: Mapping[str, str] | None = None) -> None:
        """`name`: of a table, or a query in brackets. `metadata`: texts that the file holds under their keys."""
        kept = ", ".join(f"{identifier(key)}: {literal(text)}" for key, text in (metadata or {}).items())
        options = f"FORMAT parquet, KV_METADATA {{{kept}}}" if kept else "FORMAT parquet"
        try:
            self.run(f"COPY {name} TO '{_quoted(file)}' ({options})")
        except duckdb.IOException as error:
            raise OSError(errno.EIO, "no room, or no right to write there") from error

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        self.make(name, f"FROM {_csv(file, columns)}")

    def parquet_of_csv(self, file: Path, columns: Mapping[str, str], out: Path) -> None:
        self.to_parquet(f"(FROM {_csv(file, columns)})", out)

    def share_done(self) -> float:
        """Of the statement that runs now in another thread; below 0 is not known."""
        return float(self._sql.query_progress()) / 100

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        """Fill table `raw` (__line, and the columns as text) and `malformed` (__line, text, and the names of all columns)."""
        check_readable(file)
        steps.step(f"checking {file.name}")
        scanned = scan(file)
        steps.step(f"reading {file.name}", scanned.lines)
        with steps.following(self.share_done):
            self._read(file, scanned, needed, optional)
        return scanned

    def _read(self, file: Path, scanned: Scan, needed: Sequence[str], optional: Sequence[str]) -> None:
        if is_parquet(file):
            self._read_parquet(file, needed, optional)
        else:
            self._read_csv(file, scanned, needed, optional)

    def _named(self, file: Path) -> Path:
        """The file under a fixed name: DuckDB takes names for patterns, and folders for columns."""
        link = self.folder / "input"
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
        return link

    def _read_csv(self, file: Path, scanned: Scan, needed: Sequence[str], optional: Sequence[str]) -> None:
        names = csv_columns(file)
        check_columns(file, names, needed)
        wanted = [*needed, *(name for name in optional if name in names)]
        absent = "".join(f", NULL::VARCHAR AS {identifier(name)}" for name in optional if name not in names)
        self.run("CREATE OR REPLACE TABLE malformed (__line BIGINT, text VARCHAR, columns VARCHAR[])")
        # Columns have numbers while they are read: names may differ in case only, which SQL does not tell apart.
        columns = {f"c{position}": "VARCHAR" for position in range(len(names))}
        chosen = ", ".join(f"c{names.index(name)} AS {self._called(name, place)}" for place, name in enumerate(wanted))
        try:
            self.run(f"""
                CREATE OR REPLACE TABLE raw AS SELECT row_number() OVER () + 1 AS __line, {chosen}{absent}
                  FROM {_csv(self._named(file), columns, header=True)}""")
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            regular = False
        else:
            regular = self.count("raw") == scanned.lines and not scanned.binary
        if not regular:  # a line that is not like the others, or a cell of several lines: slower, and exact about lines
            good, bad = self.folder / "good.csv", self.folder / "malformed.csv"
            rewrite(file, names, wanted, good, bad)
            columns = {"__line": "BIGINT", **{f"c{place}": "VARCHAR" for place in range(len(wanted))}}
            named = ", ".join(f"c{place} AS {self._called(name, place)}" for place, name in enumerate(wanted))
            self.run(f"CREATE OR REPLACE TABLE raw AS SELECT __line, {named}{absent} FROM {_csv(good, columns)}")
            cells = _csv(bad, {"__line": "BIGINT", "text": "VARCHAR"})
            self.run(f"INSERT INTO malformed SELECT __line, text, ? FROM {cells}", [names])

    def _called(self, name: str, place: int) -> str:
        return f"c{place}" if self.numbered else identifier(name)

    def _read_parquet(self, file: Path, needed: Sequence[str], optional: Sequence[str]) -> None:
        source = f"read_parquet('{_quoted(self._named(file))}', file_row_number = true, hive_partitioning = false)"
        self.run("CREATE OR REPLACE TABLE malformed (__line BIGINT, text VARCHAR, columns VARCHAR[])")
        try:
            kinds = {str(row[0]): str(row[1]) for row in self.run(f"DESCRIBE SELECT * FROM {source}")}
            check_columns(file, kinds, needed)
            present = [name for name in (*needed, *optional) if name in kinds]
            cells = [
                f"{_as_text(name, kinds[name])} AS {self._called(name, place)}" for place, name in enumerate(present)
            ]
            cells += [f"NULL::VARCHAR AS {identifier(name)}" for name in optional if name not in kinds]
            self.run(
                f"CREATE OR REPLACE TABLE raw AS SELECT file_row_number + 1 AS __line, {', '.join(cells)} FROM {source}"
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise LoadError(f"{file} cannot be read as Parquet: it is damaged, or something else.") from error


def _as_text(name: str, kind: str) -> str:
    column = identifier(name)
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        # 5008804.0 is the id 5008804: writers that know no missing integers make them so.
        whole = f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 9e18 THEN {column}::BIGINT::VARCHAR END"
        return f"coalesce({whole}, {column}::VARCHAR)"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"replace({column}::VARCHAR, chr(0), '\ufffd')"


def identifier(name: str) -> str:
    """A name of a column or table, quoted for SQL."""
    return DUCKDB.identifier(name)


def literal(text: str) -> str:
    """A text, quoted for SQL."""
    return DUCKDB.literal(text)


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")


def _csv(file: Path, columns: Mapping[str, str], *, header: bool = False) -> str:
    kinds = ", ".join(f"{literal(column)}: '{kind}'" for column, kind in columns.items())
    return (
        f"read_csv('{_quoted(file)}', header = {header}, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        f"hive_partitioning = false, columns = {{{kinds}}}, strict_mode = true, max_line_size = {_LONGEST_LINE})"
    )


_PREFIX = "db_init-"
_YOUNG_SECONDS = 10


def _sweep() -> None:
    """Remove the folders of loads that were killed: a living one holds the lock of its own."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "alive").open() as alive:
            if time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:  # its owner may be about to take the lock
                continue
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_folder(memory: str) -> Iterator[Path]:
    """A temporary folder for an engine that may use so much memory. What runs out there is explained."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, Path(folder, "alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            yield Path(folder)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise LoadError(
                f"The feature pipeline ran out of room: it may use {memory} of memory (DB_INIT_MEMORY) and needs free disk "
                f"space under {tempfile.gettempdir()} (TMPDIR)."
            ) from error


@contextmanager
def open_duckdb(memory: str) -> Iterator[DuckDB]:
    with open_folder(memory) as folder:
        engine = DuckDB(folder, memory)
        try:
            yield engine
        finally:
            engine.ibis.disconnect()
