"""Start of a Spark session, on this machine or on a cluster. Fails early if the cluster has no master or executor."""

import ipaddress
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from db_init.errors import LoadError

_INSTALL = "python -m pip install 'ibis-framework[pyspark]'"
_STANDALONE = "spark://"
_ANSWER_SECONDS = 5
_EXECUTOR_SECONDS = 30
_LEAST_MEGABYTES = 512
_MEGABYTES = {"": 1 / 1_048_576, "K": 1 / 1_024, "M": 1, "G": 1_024, "T": 1_048_576}
# Name an appender, although nothing is logged: Spark replaces a configuration without one by its own.
_QUIET = """
rootLogger.level = off
rootLogger.appenderRef.none.ref = none
appender.none.type = Null
appender.none.name = none
"""

# Java without its second compiler starts faster: 783,115 loans took 47 s instead of 60 s on two cores.
_QUICK = "-XX:TieredStopAtLevel=1"


def start_session(folder: Path, memory: str, master: str) -> Any:
    """Start a SparkSession with files in `folder`. `memory` limits the driver on this machine. Raises LoadError."""
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise LoadError(f"The engine Spark is not installed: {_INSTALL}") from error
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise LoadError("The engine Spark needs Java 17 or newer: install it, or set JAVA_HOME.")
    if master.startswith(_STANDALONE) and not any(_answers(*address) for address in _addresses(master)):
        raise LoadError(f"No Spark master answers at {master}: check the address, and that it runs.")
    builder = SparkSession.builder.master(master).appName("db_init")
    try:
        session = builder.config(map=_configuration(folder, memory, master)).getOrCreate()
        if master.startswith(_STANDALONE):
            _wait_for_an_executor(session, master)
    except spark_errors() as error:
        raise LoadError(
            f"Spark does not start with the master {master}: check its address, and Java's version."
        ) from error
    return session


def spark_errors() -> tuple[type[Exception], ...]:
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415

    return (PySparkException, Py4JError)


def _addresses(master: str) -> Iterator[tuple[str, int]]:
    """Host and port of each master in the URL."""
    for one in master.removeprefix(_STANDALONE).split(","):
        parts = urlsplit(f"//{one}")
        yield parts.hostname or "", parts.port or 0


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=_ANSWER_SECONDS):
        return True
    return False


def _on_this_machine(master: str) -> bool:
    if not master.startswith(_STANDALONE):
        return master.startswith("local")
    return all(_is_loopback(host) for host, _ in _addresses(master))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wait_for_an_executor(session: Any, master: str) -> None:
    """Wait for an executor, because without one the first job would wait forever. Raises LoadError after 30 s."""
    context = session.sparkContext._jsc.sc()  # noqa: SLF001  # PySpark has no API for executors
    deadline = time.monotonic() + _EXECUTOR_SECONDS
    while context.getExecutorMemoryStatus().size() < 2:  # the driver counts as one
        if time.monotonic() >= deadline:
            session.stop()
            raise LoadError(f"The Spark master {master} has no worker with a free core and memory for an executor.")
        time.sleep(0.2)


def _megabytes(memory: str) -> int:
    number, unit = re.fullmatch(r"([0-9.]+) ?([KMGT]?)I?B", memory.upper()).groups()  # type: ignore[union-attr]  # settings check it
    return max(_LEAST_MEGABYTES, int(float(number) * _MEGABYTES[unit]))


def _configuration(folder: Path, memory: str, master: str) -> dict[str, Any]:
    quiet = folder / "log4j2.properties"
    quiet.write_text(_QUIET)
    local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return (local if _on_this_machine(master) else {}) | {
        "spark.driver.memory": f"{_megabytes(memory)}m",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet.as_uri()} {_QUICK}",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
