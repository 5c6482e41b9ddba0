"""A swarm of one node: an engine of its own in a network namespace of its own, so that the machine's engine joins nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from stack.asking import UNKNOWN
from stack.compose import CLIENT, ROOT, eventually

NEEDED = ("dockerd", "unshare", "ip")
STACK = "credit-risk"
TAG = os.environ.get("TAG", "local")
IMAGES = [
    "postgres:17",
    *(
        f"credit-risk/{name}:{TAG}"
        for name in ("db-init", "decision-log", "feature-service", "prediction-service", "gateway", "dynamodb-emulator")
    ),
]
FILES = ["deploy/swarm/data.yml", "deploy/swarm/services.yml"]
EMULATOR = "dynamodb://features?region=eu-central-1&endpoint=http://dynamodb:8009"
_MORE = f"""
services:
  trainer:
    deploy: {{replicas: 0}}
  dynamodb:
    image: credit-risk/dynamodb-emulator:{TAG}
    environment: {{BIND_HOST: 0.0.0.0}}
    networks: [data]
    deploy: {{endpoint_mode: dnsrr}}
"""
_HERE, _THERE = "10.201.78.1", "10.201.78.2"
_START = """set -eu
until ip link show eth0 >/dev/null 2>&1; do sleep 0.1; done
ip link set lo up
ip addr add {there}/30 dev eth0
ip link set eth0 up
exec dockerd --data-root {data} --exec-root {run} --pidfile {run}/docker.pid -H unix://{run}/docker.sock \
  --bridge none --log-level fatal
"""


def lacks() -> str | None:
    """Why it cannot be started here."""
    if os.geteuid() != 0:
        return "an engine of its own needs root"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"there is no {', '.join(missing)}" if missing else None


class Swarm:
    front = f"http://{_THERE}:8000"

    def __init__(self, run: Path) -> None:
        self._environment = os.environ | {
            "DOCKER_HOST": f"unix://{run}/docker.sock",
            "TAG": TAG,
            "SAMPLE_CLIENTS": "3000",
        }
        self.headers: dict[str, str] = {}

    def __call__(self, *command: str, timeout: float = 120) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def listens(self) -> bool:
        done = subprocess.run(["docker", "version"], env=self._environment, capture_output=True, check=False)
        return done.returncode == 0

    def load(self, images: list[str]) -> None:
        """Take them over from the machine's engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            loading = ["docker", "load", "--quiet"]
            subprocess.run(
                loading, env=self._environment, stdin=saved.stdout, stdout=subprocess.DEVNULL, check=True, timeout=900
            )

    def leave(self) -> None:
        subprocess.run(["docker", "swarm", "leave", "--force"], env=self._environment, capture_output=True, check=False)

    def install(self, model_dir: Path, folder: Path) -> None:
        """As docs/how-to/swarm.md says, with a model that was trained elsewhere."""
        self("docker", "swarm", "init", "--advertise-addr", _THERE)
        [node] = self("docker", "node", "ls", "-q").split()
        self("docker", "node", "update", "--label-add", "credit-risk.data=true", node)
        key = self(sys.executable, "deploy/make_secrets.py", "swarm").split()[-1]
        self.headers = {"X-API-Key": key}
        archive, self._more, credentials = (folder / name for name in ("models.tar", "more.yml", "credentials"))
        self("tar", "-C", str(model_dir), "-cf", str(archive), ".")
        self("docker", "config", "create", "credit_risk_models_1", str(archive))
        credentials.write_text("[default]\naws_access_key_id = emulated\naws_secret_access_key = emulated\n")
        self("docker", "secret", "create", "credit_risk_aws_credentials", str(credentials))
        self._more.write_text(_MORE)
        self.deploy()

    def deploy(self, *more: str, **variables: str) -> None:
        chosen = [part for file in (*FILES, *more, str(self._more)) for part in ("-c", file)]
        self._environment |= variables
        self("docker", "stack", "deploy", "--resolve-image", "never", *chosen, STACK)

    def containers(self, service: str) -> list[str]:
        return self("docker", "ps", "-q", "-f", f"label=com.docker.swarm.service.name={STACK}_{service}").split()

    def answers(self) -> bool:
        """For a client that the load brings, which comes all at once, and for one that there is not."""
        paths = [f"{self.front}/credit_risk/client_id={client_id}" for client_id in (CLIENT, UNKNOWN)]
        return [httpx.get(path, headers=self.headers, timeout=10).status_code for path in paths] == [200, 404]

    def is_whole(self) -> bool:
        listed = self("docker", "service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
        return {f"{STACK}_feature-service 2/2", f"{STACK}_prediction-service 2/2", f"{STACK}_gateway 1/1"} <= {*listed}

    def update(self, service: str) -> None:
        """Replace every replica of it, one after the other."""
        self("docker", "service", "update", "--force", "--detach", "--no-resolve-image", f"{STACK}_{service}")
        self.await_update(service)

    def await_update(self, service: str) -> None:
        name, wanted = f"{STACK}_{service}", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
        eventually(lambda: self("docker", "service", "inspect", name, "-f", wanted).strip() == "completed", 150)

    def replicas(self, service: str) -> str:
        """How many run, of how many: `2/2`."""
        listed = self("docker", "service", "ls", "-f", f"name={STACK}_{service}", "--format", "{{.Replicas}}")
        return listed.strip()


@contextmanager
def running_swarm() -> Iterator[Swarm]:
    run, data = (Path(tempfile.mkdtemp(prefix="swarm-", dir=folder)) for folder in ("/run", "/var/tmp"))
    script = _START.format(there=_THERE, data=data, run=run)
    engine = subprocess.Popen(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script])
    swarm = Swarm(run)
    link = f"swarm{engine.pid}"[:15]
    try:
        eventually(lambda: Path(f"/proc/{engine.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink())
        for step in (f"add {link} type veth peer name eth0 netns {engine.pid}", f"set {link} up"):
            subprocess.run(["ip", "link", *step.split()], check=True)
        subprocess.run(["ip", "addr", "add", f"{_HERE}/30", "dev", link], check=True)
        eventually(swarm.listens)
        swarm.load(IMAGES)
        yield swarm
    finally:
        swarm.leave()
        engine.terminate()
        engine.wait(60)
        for folder in (run, data):
            shutil.rmtree(folder, ignore_errors=True)
