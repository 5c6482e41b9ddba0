"""Runs a load in Spark: its expressions, the comparison with what is stored, and the rows of COPY as text.

The loading machine reads the file and numbers its lines, fetches what is stored, and writes to PostgreSQL, by the one
transaction of every load: those of executors could not be one for readers, and would leave something behind when they are
killed. What the two exchange passes through the load's folder (TMPDIR) as Parquet and as lines of CSV. Executors must see the
folder: they do with a local master, and with a cluster that shares it. They need no Python.
"""

import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis

from db_init.engines.dialects import SPARK
from db_init.engines.duckdb import DuckDB, open_folder
from db_init.errors import LoadError
from db_init.loading.files import Scan
from db_init.progress import Steps

_INSTALL = "python -m pip install 'ibis-framework[pyspark]'"
_CHUNK = 1 << 20
_PART_BYTES = 32 << 20
_LEAST_MEGABYTES = 512
_MEGABYTES = {"": 1 / 1_048_576, "K": 1 / 1_024, "M": 1, "G": 1_024, "T": 1_048_576}
_QUIET = "rootLogger.level = off\n"


class Spark:
    """Each table is a folder of Parquet files and a view of it. DuckDB reads the file, and counts."""

    dialect = SPARK

    def __init__(self, duckdb: DuckDB, session: Any) -> None:
        from ibis.backends.pyspark.datatypes import PySparkSchema  # noqa: PLC0415  # an optional extra

        self._duckdb = duckdb
        self._session = session
        self._types = PySparkSchema
        self._expressions = ibis.pyspark.connect(session)

    @property
    def folder(self) -> Path:
        return self._duckdb.folder

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._session.sql(query).collect()]

    def make(self, name: str, query: str) -> None:
        self._write(name, self._session.sql(query))

    def table(self, name: str) -> Any:
        return self._expressions.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        made = self._session.sql(self._expressions.compile(expression))
        # Spark's own types of literals and sums are wider than those that the expression has.
        kinds = self._types.from_ibis(expression.schema())
        self._write(name, made.select(*(made[f"`{field.name}`"].cast(field.dataType) for field in kinds)))
        return self.table(name)

    def count(self, name: str) -> int:
        return self._duckdb.count(f"read_parquet('{self._parts(name)}/*.parquet')")

    def to_csv(self, query: str, file: Path) -> Path:
        """Executors write parts, which are put together here."""
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
        """A shuffle gets so many parts that all cores work, and that none is too large for a core's share of memory."""
        cores = self._session.sparkContext.defaultParallelism
        self._session.conf.set("spark.sql.shuffle.partitions", max(cores, size // _PART_BYTES))

    def _parts(self, name: str) -> Path:
        return self.folder / f"{name}.parts"

    def _view(self, name: str) -> None:
        self._session.read.parquet(self._parts(name).as_uri()).createOrReplaceTempView(name)

    def _write(self, name: str, made: Any) -> None:
        rows = self._observed(made, "count(*)", lambda seen: seen.write.parquet(self._parts(name).as_uri()))
        self._check(rows, self.count(name))
        self._view(name)

    def _observed(self, made: Any, measure: str, write: Callable[[Any], None]) -> int:
        """What executors say that they wrote."""
        from pyspark.sql import Observation, functions  # noqa: PLC0415

        seen = Observation()
        write(made.observe(seen, functions.expr(measure).alias("written")))
        return int(seen.get["written"] or 0)

    def _check(self, written: int, here: int) -> None:
        if written != here:
            raise LoadError(
                f"Not all that the executors wrote is in {self.folder}: each of them must share TMPDIR. Nothing was changed."
            )


def _megabytes(memory: str) -> int:
    number, unit = re.fullmatch(r"([0-9.]+) ?([KMGT]?)I?B", memory.upper()).groups()  # type: ignore[union-attr]  # settings check it
    return max(_LEAST_MEGABYTES, int(float(number) * _MEGABYTES[unit]))


def _configuration(folder: Path, memory: str, master: str) -> dict[str, Any]:
    quiet = folder / "log4j2.properties"
    quiet.write_text(_QUIET)
    local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return (local if master.startswith("local") else {}) | {
        "spark.driver.memory": f"{_megabytes(memory)}m",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet.as_uri()}",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }


def _session(folder: Path, memory: str, master: str) -> Any:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise LoadError(f"The engine Spark is not installed: {_INSTALL}") from error
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise LoadError("The engine Spark needs Java 17 or newer: install it, or set JAVA_HOME.")
    builder = SparkSession.builder.master(master).appName("db_init")
    try:
        return builder.config(map=_configuration(folder, memory, master)).getOrCreate()
    except _spark_errors() as error:
        raise LoadError(
            f"Spark does not start with the master {master}: check its address, and Java's version."
        ) from error


def _spark_errors() -> tuple[type[Exception], ...]:
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415

    return (PySparkException, Py4JError)


@contextmanager
def open_spark(memory: str, master: str) -> Iterator[Spark]:
    with open_folder(memory) as folder:
        session = _session(folder, memory, master)
        duckdb = DuckDB(folder, memory)
        try:
            yield Spark(duckdb, session)
        except _spark_errors() as error:
            raise LoadError(
                f"Spark failed ({type(error).__name__}). Nothing was changed; with more DB_INIT_MEMORY it may succeed."
            ) from error
        finally:
            duckdb.ibis.disconnect()
            session.stop()
