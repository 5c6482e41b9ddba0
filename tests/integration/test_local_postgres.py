"""The PostgreSQL that the local stack brings along: where it lives, who may reach it, and how it starts after a crash."""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local_stack import postgres
from local_stack.errors import StackError
from local_stack.postgres import Server, running_postgres

KILLED = """
import os, signal, sys
from pathlib import Path
from local_stack.postgres import running_postgres
with running_postgres(Path(sys.argv[1])):
    pid = int(Path(sys.argv[1], "postgres/cluster/postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    print(pid, flush=True)
    os._exit(0)
"""
_SUBREAPER = 36


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not below pytest's own folder: it closes that to other accounts, and the server may run as one.
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        yield Path(name)


def answers(server: Server) -> bool:
    with psycopg.connect(server.url("postgres")) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["a,b", "it's", 'the "data"', "$HOME `x` \\"])
def test_a_data_folder_may_have_any_name(folder: Path, name: str) -> None:
    for _ in range(2):
        with running_postgres(folder / name) as server:
            assert answers(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives the server to another account")
def test_other_processes_of_the_servers_account_cannot_reach_it(server: Server) -> None:
    asked = ["--host", str(server._socket_dir), "--dbname=postgres", "--command=SELECT 1", "--no-password"]
    for role in ("postgres", "nobody"):
        with pytest.raises(StackError, match="Peer authentication failed"):
            postgres._run("psql", f"--username={role}", *asked)
    assert answers(server)


@pytest.mark.skipif(sys.platform != "linux", reason="makes itself the one who reaps")
def test_it_starts_right_after_a_kill_also_before_the_dead_one_is_reaped(folder: Path) -> None:
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        killed = subprocess.run([sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, text=True, check=True)
        dead = int(killed.stdout)
        os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)  # dead, and left as it is
        with running_postgres(folder) as server:
            assert answers(server)
        os.waitpid(dead, 0)
    finally:
        ctypes.CDLL(None).prctl(_SUBREAPER, 0, 0, 0, 0)


def test_why_it_does_not_start_is_what_it_says_itself(folder: Path) -> None:
    with running_postgres(folder):
        pass
    with (folder / "postgres" / "cluster" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(StackError, match=r"FATAL: +configuration file .* contains errors"), running_postgres(folder):
        pass
