"""Runs the pipeline in DuckDB: reads files, computes on disk where memory ends, writes CSV for PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis

from db_init.errors import LoadError
from db_init.files import check_columns, check_readable, csv_columns, is_parquet

_LONGEST_LINE = 1 << 21


class DuckDB:
    """A database in a temporary folder, which goes with it."""

    def __init__(self, folder: Path, memory: str) -> None:
        self.folder = folder
        self.ibis = ibis.duckdb.connect(folder / "work.duckdb")
        self._sql: duckdb.DuckDBPyConnection = self.ibis.con
        spill = str(folder / "spill")
        self.run(f"SET memory_limit = '{memory}'; SET temp_directory = '{spill}'; SET TimeZone = 'UTC'")
        self.run(f"SET threads = {os.cpu_count() or 1}; SET enable_progress_bar = false")

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._sql.execute(statement, values).fetchall()

    def table(self, name: str) -> Any:
        return self.ibis.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        """The table of an expression's rows, computed once."""
        self.run(f"CREATE OR REPLACE TABLE {name} AS {self.ibis.compile(expression)}")
        return self.table(name)

    def count(self, name: str) -> int:
        return int(self.run(f"SELECT count(*) FROM {name}")[0][0])

    def to_csv(self, query: str, file: Path) -> Path:
        """Write the rows of a query; null is an empty cell."""
        self.run(f"COPY ({query}) TO '{_quoted(file)}' (FORMAT csv, HEADER false)")
        return file

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        kinds = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
        source = f"read_csv('{_quoted(file)}', header = false, auto_detect = false, delim = ',', quote = '\"', columns = {{{kinds}}})"
        self.run(f"CREATE OR REPLACE TABLE {name} AS FROM {source}")

    def read(self, file: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> int:
        """Fill table `raw` (line, and the columns as text) and `malformed` (line, text). The number of lines read."""
        check_readable(file)
        try:
            (self._read_parquet if is_parquet(file) else self._read_csv)(file, needed, optional)
        except duckdb.Error as error:
            raise LoadError(f"{file} cannot be read as {'Parquet' if is_parquet(file) else 'CSV'}.") from error
        return self.count("raw") + self.count("malformed")

    def _read_csv(self, file: Path, needed: Sequence[str], optional: Sequence[str]) -> None:
        names = csv_columns(file)
        check_columns(file, names, needed)
        wanted = [*needed, *(name for name in optional if name in names)]
        cells = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(names)))
        chosen = ", ".join(f'c{names.index(name)} AS "{name}"' for name in wanted)
        absent = "".join(f', NULL::VARCHAR AS "{name}"' for name in optional if name not in names)
        source = (
            f"read_csv('{_quoted(file)}', header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
            f"columns = {{{cells}}}, store_rejects = true, rejects_limit = 0, strict_mode = true, "
            f"max_line_size = {_LONGEST_LINE})"
        )
        self.run(
            f"CREATE OR REPLACE TEMP TABLE accepted AS SELECT row_number() OVER () AS number, {chosen}{absent} FROM {source}"
        )
        self.run(
            "CREATE OR REPLACE TABLE malformed AS SELECT line, any_value(csv_line) AS text FROM reject_errors GROUP BY line"
        )
        # A refused line moves all after it: the n-th accepted one is n lines below the header, and one more for each refused.
        self.run("""
            CREATE OR REPLACE TABLE raw AS
            SELECT (number + 1 + coalesce(shift.refused, 0))::BIGINT AS line, accepted.* EXCLUDE (number)
              FROM accepted ASOF LEFT JOIN (
                   SELECT line - 1 - row_number() OVER (ORDER BY line) AS before, row_number() OVER (ORDER BY line) AS refused
                     FROM malformed) AS shift ON accepted.number > shift.before;
            DROP TABLE accepted""")

    def _read_parquet(self, file: Path, needed: Sequence[str], optional: Sequence[str]) -> None:
        source = f"read_parquet('{_quoted(file)}', file_row_number = true)"
        kinds = {str(row[0]): str(row[1]) for row in self.run(f"DESCRIBE SELECT * FROM {source}")}
        check_columns(file, kinds, needed)
        wanted = ", ".join(_as_text(name, kinds[name]) for name in (*needed, *optional) if name in kinds)
        absent = "".join(f', NULL::VARCHAR AS "{name}"' for name in optional if name not in kinds)
        self.run(
            f"CREATE OR REPLACE TABLE raw AS SELECT (file_row_number + 1)::BIGINT AS line, {wanted}{absent} FROM {source}"
        )
        self.run("CREATE OR REPLACE TABLE malformed (line BIGINT, text VARCHAR)")


def _as_text(name: str, kind: str) -> str:
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        # 5008804.0 is the id 5008804: writers that know no missing integers make them so.
        whole = f'CASE WHEN "{name}" = trunc("{name}") AND abs("{name}") < 9e18 THEN "{name}"::BIGINT::VARCHAR END'
        return f'coalesce({whole}, "{name}"::VARCHAR) AS "{name}"'
    if kind.startswith("TIMESTAMP"):
        return f'strftime("{name}", \'%Y-%m-%dT%H:%M:%S.%fZ\') AS "{name}"'
    return f'"{name}"::VARCHAR AS "{name}"'


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")


_PREFIX = "db_init-"


def _sweep() -> None:
    """Remove the folders of loads that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_duckdb(memory: str) -> Iterator[DuckDB]:
    _sweep()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        engine = DuckDB(Path(folder), memory)
        try:
            yield engine
        finally:
            engine.ibis.disconnect()
