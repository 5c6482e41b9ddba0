"""The systems that people use for the halves of this job, each in an environment of its own, serving the same clients."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import servers
from bench.servers import Running

FEAST = "feast[postgres]==0.67.0"
# Its workers do not start under a newer uvloop.
MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22", "pyarrow")
_HERE = Path(__file__).parent


def _environment(folder: Path, name: str, *packages: str) -> Path:
    """The programs' folder of an environment with these packages, made on first use."""
    home = folder / f"peers-{name}"
    if not (home / "bin" / name).exists():
        print(f"installing {', '.join(packages)} into {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", *packages], check=True)
    return home / "bin"


@contextmanager
def feast(folder: Path, socket_dir: str, database: str) -> Iterator[Running]:
    programs = _environment(folder, "feast", FEAST)
    repository = folder / "feast-repository"
    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir()
    online = {
        "type": "postgres",
        "host": socket_dir,
        "port": 5432,
        "database": database,
        "db_schema": "feast",
        "user": "postgres",
        "password": "",
    }
    configuration = {
        "project": "credit", "registry": "registry.db", "provider": "local", "online_store": online,
        "offline_store": {"type": "file"}, "entity_key_serialization_version": 3,
    }  # fmt: skip
    (repository / "feature_store.yaml").write_text(json.dumps(configuration))
    for name in ("feast_features.py", "feast_prepare.py"):
        shutil.copy(_HERE / name, repository)
    url = f"postgresql://postgres@/{database}?host={socket_dir}"
    with (folder / "feast.log").open("ab") as log:
        subprocess.run(
            [str(programs / "python"), "feast_prepare.py", url], cwd=repository, check=True, stdout=log, stderr=log
        )
    port = servers.free_port()
    command = [
        str(programs / "feast"),
        "-c",
        str(repository),
        "serve",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--workers",
        "1",
        "--no-access-log",
    ]
    with servers.server(command, port, "/health", folder / "feast.log", OMP_NUM_THREADS="1") as running:
        yield running


@contextmanager
def mlserver(folder: Path, training_rows: Path) -> Iterator[Running]:
    programs = _environment(folder, "mlserver", *MLSERVER)
    home = folder / "mlserver-models"
    home.mkdir(exist_ok=True)
    with (folder / "mlserver.log").open("ab") as log:
        command = [str(programs / "python"), str(_HERE / "mlserver_prepare.py"), str(training_rows)]
        subprocess.run(command, cwd=home, check=True, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
    port = servers.free_port()
    settings = {
        "http_port": port, "grpc_port": servers.free_port(), "metrics_port": servers.free_port(), "host": "127.0.0.1",
        "parallel_workers": 0, "debug": False, "access_log": False,
    }  # fmt: skip
    (home / "models" / "settings.json").write_text(json.dumps(settings))
    command = [str(programs / "mlserver"), "start", str(home / "models")]
    ready = "/v2/models/batching/ready"
    with servers.server(command, port, ready, folder / "mlserver.log", OMP_NUM_THREADS="1") as running:
        yield running


@contextmanager
def pair(folder: Path, features: Running, models: Running) -> Iterator[Running]:
    port = servers.free_port()
    command = [
        sys.executable, "-m", "uvicorn", "bench.peers.thin_app:app", "--app-dir", str(_HERE.parents[1]), "--host", "127.0.0.1",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    environment = {"FEAST_URL": f"http://127.0.0.1:{features.port}", "MLSERVER_URL": f"http://127.0.0.1:{models.port}"}
    with servers.server(command, port, "/", folder / "thin_app.log", **environment) as running:
        yield running


def start(stack: ExitStack, folder: Path, socket_dir: str, database: str, training_rows: Path) -> dict[str, Running]:
    """All of them, until the stack is closed."""
    running = {"Feast": stack.enter_context(feast(folder, socket_dir, database))}
    running["MLServer"] = stack.enter_context(mlserver(folder, training_rows))
    running["thin app"] = stack.enter_context(pair(folder, running["Feast"], running["MLServer"]))
    return running
