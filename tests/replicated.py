"""A primary and a streaming replica of it, each on a port of loopback."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from pydantic import SecretStr

from db_init.migrate import migrate
from db_init.settings import Settings
from folders import database_folder
from local_stack import postgres
from running import free_port


class Node:
    """One server of the cluster, on a port of loopback."""

    def __init__(self, home: Path, name: str, *options: str) -> None:
        self.home, self.folder, self.port = home, home / name, free_port()
        self.options = options

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c fsync=off"
        options = " ".join([options, *(f"-c {option}" for option in self.options)])
        postgres._run(
            "pg_ctl", "start", "--pgdata", str(self.folder), "--log", f"{self.folder}.log", f"--options={options}",
            "--wait", "--silent",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        postgres._run("pg_ctl", "stop", "--pgdata", str(self.folder), f"--mode={mode}", "--wait")

    def runs(self) -> bool:
        return postgres._postmaster(self.folder) is not None

    def copy_of(self, primary: "Node") -> None:
        postgres._run(
            "pg_basebackup", "--pgdata", str(self.folder), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
            "--host=127.0.0.1", f"--port={primary.port}", "--username=postgres",
        )  # fmt: skip

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def wait_until(node: Node, query: str, *arguments: Any, database: str = "postgres") -> None:
    """Until the query has a row on that server."""
    deadline = time.monotonic() + 20
    with psycopg.connect(node.url(database), autocommit=True) as connection:
        while connection.execute(query, arguments).fetchone() is None:
            assert time.monotonic() < deadline, query
            time.sleep(0.05)


def suspended(node: Node) -> list[psutil.Process]:
    """Its processes, which are silent from now on."""
    postmaster = postgres._postmaster(node.folder)
    assert postmaster
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    return processes


@contextmanager
def primary_and_replica(*replica_options: str) -> Iterator[tuple[Node, Node]]:
    """Both run; the schema is in the database postgres."""
    with database_folder("pair") as home:
        postgres._prepare_folder(home)
        primary, replica = Node(home, "primary"), Node(home, "replica", *replica_options)
        postgres._initialise(home, primary.folder)
        started: list[Node] = []
        try:
            primary.start()
            started.append(primary)
            migrate(Settings(database_url=SecretStr(primary.url())))
            replica.copy_of(primary)
            replica.start()
            started.append(replica)
            yield primary, replica
        finally:
            for node in started:
                if node.runs():
                    node.stop()
