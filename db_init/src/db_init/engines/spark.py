"""Runs the pipeline's expressions in Spark; what they read and make passes as Parquet through the load's folder.

DuckDB numbers the lines of the file and compares the results with what is stored, so that an executor must see the folder
(TMPDIR): it does with a local master, and with a cluster that shares it. PostgreSQL is written by the one transaction of
every load, not by executors: theirs could not be one for readers, and would leave something behind when they are killed.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis

from db_init.engines.duckdb import DuckDB, open_folder
from db_init.errors import LoadError
from db_init.loading.files import Scan
from db_init.progress import Steps

_INSTALL = "python -m pip install 'ibis-framework[pyspark]'"
_LEAST_MEGABYTES = 512
_MEGABYTES = {"": 1 / 1_048_576, "K": 1 / 1_024, "M": 1, "G": 1_024, "T": 1_048_576}
_QUIET = "rootLogger.level = off\n"


class Spark:
    """Keeps tables for both: Parquet in the folder, a view of it in Spark and one in DuckDB."""

    def __init__(self, duckdb: DuckDB, session: Any) -> None:
        from ibis.backends.pyspark.datatypes import PySparkSchema  # noqa: PLC0415  # an optional extra

        self._duckdb = duckdb
        self._session = session
        self._types = PySparkSchema
        self._expressions = ibis.pyspark.connect(session)
        self._shared: set[str] = set()

    @property
    def folder(self) -> Path:
        return self._duckdb.folder

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._duckdb.run(statement, values)

    def count(self, name: str) -> int:
        return self._duckdb.count(name)

    def to_csv(self, query: str, file: Path) -> Path:
        return self._duckdb.to_csv(query, file)

    def from_csv(self, name: str, file: Path, columns: Mapping[str, str]) -> None:
        self._duckdb.from_csv(name, file, columns)

    def read(self, file: Path, steps: Steps, needed: Sequence[str], optional: Sequence[str] = ()) -> Scan:
        return self._duckdb.read(file, steps, needed, optional)

    def table(self, name: str) -> Any:
        if name not in self._shared:
            file = self.folder / f"{name}.parquet"
            self._duckdb.to_parquet(name, file)
            self._share(name, file)
        return self._expressions.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        parts = self.folder / f"{name}.parts"
        made = self._session.sql(self._expressions.compile(expression))
        # Spark's own types of literals and sums are wider than those that the expression has.
        kinds = self._types.from_ibis(expression.schema())
        made.select(*(made[f"`{field.name}`"].cast(field.dataType) for field in kinds)).write.parquet(parts.as_uri())
        self.run(f"CREATE VIEW {name} AS FROM read_parquet('{parts}/*.parquet')")
        self._share(name, parts)
        return self.table(name)

    def _share(self, name: str, parquet: Path) -> None:
        self._session.read.parquet(parquet.as_uri()).createOrReplaceTempView(name)
        self._shared.add(name)


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
