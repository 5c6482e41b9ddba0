"""A standalone cluster of Spark on this machine: a master and two workers, each a process of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from running import free_port

_START_SECONDS = 60
_HOST = "127.0.0.1"
_SPARK = find_spec("pyspark")
MISSING = "Spark needs Java" if shutil.which("java") is None else None if _SPARK else "PySpark is not installed"

_QUICK = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
"""Small loads are over before Java's second compiler has paid."""


class Cluster(NamedTuple):
    """`folders`: of the workers; each executor that a worker ran has left a folder below."""

    master: str
    folders: list[Path]


@contextmanager
def standalone(folder: Path) -> Iterator[Cluster]:
    port = free_port()
    master = f"spark://{_HOST}:{port}"
    folders = [folder / "worker-1", folder / "worker-2"]
    with ExitStack() as stack:
        stack.enter_context(_running("master.Master", "--port", str(port), log=folder / "master.txt"))
        _wait(port)
        for work in folders:
            options = ("--cores", "1", "--memory", "1g", "--work-dir", str(work), master)
            stack.enter_context(_running("worker.Worker", *options, log=work.with_suffix(".txt")))
        yield Cluster(master, folders)


@contextmanager
def _running(name: str, *options: str, log: Path) -> Iterator[None]:
    assert _SPARK is not None
    assert _SPARK.origin is not None
    home = Path(_SPARK.origin).parent
    program = [str(home / "bin/spark-class"), f"org.apache.spark.deploy.{name}"]
    command = [*program, "--host", _HOST, "--webui-port", "0", *options]
    environment = os.environ | _QUICK | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": _HOST}
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex((_HOST, port)):
            assert time.monotonic() < deadline, "the master does not start"
            time.sleep(0.1)
