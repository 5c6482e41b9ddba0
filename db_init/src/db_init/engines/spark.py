"""The engine Spark: evaluates expressions, compares with stored events, and writes the rows for COPY as text.

The loading machine reads the file and numbers its lines, fetches stored events, and writes to PostgreSQL in one
transaction. Executors do not write to PostgreSQL: several transactions would not be atomic for readers, and a killed
load would leave rows behind. Machine and executors exchange Parquet files and lines of CSV through the load's folder
(TMPDIR), so executors must share this folder. That is the case with a local master and with a cluster that mounts it.
Executors need no Python.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis

from db_init.engines.dialects import SPARK
from db_init.engines.duckdb import DuckDB, open_folder
from db_init.engines.spark_session import spark_errors, start_session
from db_init.errors import LoadError
from db_init.files.reading import Scan
from db_init.progress import Steps

_CHUNK = 1 << 20
_PART_BYTES = 32 << 20


class Spark:
    """Stores each table as a folder of Parquet files with a view. DuckDB reads input files and counts rows."""

    dialect = SPARK
    refusals: tuple[type[Exception], ...] = ()  # open_spark explains every error of a Spark job

    def __init__(self, duckdb: DuckDB, session: Any) -> None:
        from ibis.backends.pyspark.datatypes import PySparkSchema  # noqa: PLC0415  # an optional extra

        self._duckdb = duckdb
        self._session = session
        self._types = PySparkSchema
        self._expressions = ibis.pyspark.connect(session)
        self._asked = 0
        self._bytes = 0
        self._divide(0)

    @property
    def folder(self) -> Path:
        return self._duckdb.folder

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        self._asked += 1
        name = f"asked_{self._asked}"
        self.make(name, query)
        return self._duckdb.ask(f"FROM {self._files(name)}")

    def make(self, name: str, query: str) -> None:
        self._write(name, self._session.sql(query))

    def table(self, name: str) -> Any:
        return self._expressions.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        made = self._session.sql(self._expressions.compile(expression))
        # Cast to the types of the expression: Spark gives literals and sums wider types.
        kinds = self._types.from_ibis(expression.schema())
        self._write(name, made.select(*(made[f"`{field.name}`"].cast(field.dataType) for field in kinds)))
        return self.table(name)

    def count(self, name: str) -> int:
        return self._duckdb.count(self._files(name))

    def to_csv(self, query: str, file: Path) -> Path:
        """Let executors write parts, and join them into one file."""
        found = self._session.sql(query)
        cells = found.toDF(*(f"c{place}" for place in range(len(found.columns))))
        line = ", ".join(
            f"""coalesce('"' || replace(CAST({name} AS STRING), '"', '""') || '"', '')""" for name in cells.columns
        )
        lines, parts = cells.selectExpr(f"concat_ws(',', {line}) AS line"), self._parts(file.name)
        size = self._observed(lines, "sum(octet_length(line) + 1)", lambda seen: seen.write.text(parts.as_uri()))
        with file.open("wb") as whole:
            for part in sorted(parts.glob("part-*")):
                with part.open("rb") as content:
                    shutil.copyfileobj(content, whole, _CHUNK)
                part.unlink()
        self._check(size, file.stat().st_size)
        return file

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        parts = self._parts(name)
        parts.mkdir()
        self._duckdb.parquet_of_csv(file, columns, parts / "all.parquet")
        self._view(name)
        self._divide(file.stat().st_size)

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        scanned = self._duckdb.read(file, steps, needed, optional)
        for name in ("raw", "malformed"):
            parts = self._parts(name)
            parts.mkdir()
            self._duckdb.to_parquet(name, parts / "all.parquet")
            self._duckdb.run(f"DROP TABLE {name}")
            self._view(name)
        self._divide(file.stat().st_size)
        return scanned

    def _divide(self, size: int) -> None:
        """Count `size` more bytes. Shuffles get enough partitions to use all cores and to be at most 32 MB each."""
        self._bytes += size
        cores = self._session.sparkContext.defaultParallelism
        self._session.conf.set("spark.sql.shuffle.partitions", max(cores, self._bytes // _PART_BYTES))

    def _parts(self, name: str) -> Path:
        return self.folder / f"{name}.parts"

    def _files(self, name: str) -> str:
        return f"read_parquet('{self._parts(name)}/*.parquet')"

    def _view(self, name: str) -> None:
        self._session.read.parquet(self._parts(name).as_uri()).createOrReplaceTempView(name)

    def _write(self, name: str, made: Any) -> None:
        rows = self._observed(made, "count(*)", lambda seen: seen.write.parquet(self._parts(name).as_uri()))
        self._check(rows, self.count(name))
        self._view(name)

    def _observed(self, made: Any, measure: str, write: Callable[[Any], None]) -> int:
        """Write, and return the `measure` of the rows that the executors report as written."""
        from pyspark.sql import Observation, functions  # noqa: PLC0415

        seen = Observation()
        write(made.observe(seen, functions.expr(measure).alias("written")))
        return int(seen.get["written"] or 0)

    def _check(self, written: int, here: int) -> None:
        if written != here:
            raise LoadError(
                f"Not all that the executors wrote is in {self.folder}: each of them must share TMPDIR. Nothing was changed."
            )


def _remedy(error: Exception) -> str:
    if "FileNotFoundException" in str(error):
        return "the executors of a cluster must share the folder of temporary files (TMPDIR)"
    return "with more memory it may succeed (DB_INIT_MEMORY, and spark.executor.memory on a cluster)"


@contextmanager
def open_spark(memory: str, master: str) -> Iterator[Spark]:
    with open_folder(memory) as folder:
        session = start_session(folder, memory, master)
        duckdb = DuckDB(folder, memory)
        try:
            yield Spark(duckdb, session)
        except spark_errors() as error:
            raise LoadError(f"Spark failed ({type(error).__name__}). Nothing was changed; {_remedy(error)}.") from error
        finally:
            duckdb.ibis.disconnect()
            session.stop()
