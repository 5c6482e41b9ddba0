"""The engine DuckDB: reads files, computes features (on disk if memory is short), writes CSV for PostgreSQL."""

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
from db_init.files.csv_lines import rewrite
from db_init.files.reading import Scan, check_columns, check_readable, csv_columns, is_parquet, scan
from db_init.progress import Steps

_THREADS = os.cpu_count() or 1
_LONGEST_LINE = 1 << 21


class DuckDB:
    """An in-memory DuckDB database that spills to a temporary folder."""

    dialect = DUCKDB
    refusals: tuple[type[Exception], ...] = (duckdb.DataError, duckdb.ProgrammingError)

    def __init__(self, folder: Path, memory: str) -> None:
        self.folder = folder
        self.numbered = False
        """Whether `read` names the columns of `raw` c0, c1, ... in the order of `needed` and `optional`."""
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
        """Store the rows of an Ibis expression as a table, and return the table."""
        self.make(name, self.ibis.compile(expression))
        return self.table(name)

    def count(self, name: str) -> int:
        return int(self.run(f"SELECT count(*) FROM {name}")[0][0])

    def to_csv(self, query: str, file: Path) -> Path:
        """Write the rows of a query to a file, and return the file. Null becomes an empty cell."""
        # Use one thread: with several, DuckDB collects the rows in memory to keep their order.
        self.run(
            f"SET threads = 1; COPY ({query}) TO '{_quoted(file)}' (FORMAT csv, HEADER false); SET threads = {_THREADS}"
        )
        return file

    def to_parquet(self, name: str, file: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write a table, or a query in brackets, as Parquet with `metadata`. Raises OSError if that fails."""
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
        """The completed share (0 to 1) of the statement that another thread is running; negative if unknown."""
        return float(self._sql.query_progress()) / 100

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        """Fill the tables `raw` (__line, columns as text) and `malformed` (__line, text, names of all columns)."""
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
        """A link to the file with a fixed name: DuckDB expands patterns in names, and reads columns from folders."""
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
        # Number the columns while reading: names may differ in case only, and SQL does not distinguish case.
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
        if not regular:  # a malformed line or a cell with line breaks: read slowly, with exact line numbers
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
        # Read 5008804.0 as the id 5008804: some programs write integer columns with missing values as floats.
        whole = f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 9e18 THEN {column}::BIGINT::VARCHAR END"
        return f"coalesce({whole}, {column}::VARCHAR)"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"replace({column}::VARCHAR, chr(0), '\ufffd')"


def client_id_of(cell: str) -> str:
    """SQL of the whole number in a cell, which may be written 12.0; null if it is not one. Ids must also be above 0."""
    return f"try_cast(regexp_extract({cell}, '^([0-9]{{1,19}})([.]0+)?$', 1) AS BIGINT)"


def identifier(name: str) -> str:
    """A column or table name, quoted for SQL."""
    return DUCKDB.identifier(name)


def literal(text: str) -> str:
    """A string literal of SQL."""
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
    """Remove the folders of loads that were killed. A running load holds the lock of its folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "alive").open() as alive:
            if time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:  # its owner may not hold the lock yet
                continue
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_folder(memory: str) -> Iterator[Path]:
    """A temporary folder for an engine. Raises LoadError, which names `memory`, if memory or disk space runs out."""
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
