"""The front door of gateway/ before services on this machine: HAProxy itself, or its image in this machine's network.

The configuration is the one that is shipped, but for the ports and for the name server: replicas are named one by one.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import servers

_SHIPPED = Path(__file__).parents[2] / "gateway"
_IMAGE = "haproxy:3.4"


def command(folder: Path) -> list[str] | None:
    """How to run HAProxy 3.4 on the configuration in this folder. None: it is not here."""
    found = shutil.which("haproxy")
    if found and "version 3.4" in subprocess.run([found, "-v"], capture_output=True, text=True, check=True).stdout:
        return [found, "-db", "-f", str(folder / "haproxy.cfg")]
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "image", "inspect", _IMAGE], capture_output=True, check=False).returncode
    ):
        mount = f"{folder}:/usr/local/etc/haproxy:ro"
        return ["docker", "run", "--rm", "--init", "--network", "host", "-v", mount, _IMAGE, "haproxy", "-db", "-f",
                "/usr/local/etc/haproxy/haproxy.cfg"]  # fmt: skip
    return None


def _configured(shipped: str, ports: dict[str, int], replicas: Mapping[str, Sequence[int]]) -> str:
    for shipped_port, port in ports.items():
        shipped = shipped.replace(f"bind :{shipped_port}\n", f"bind 127.0.0.1:{port}\n")

    def named(template: re.Match[str]) -> str:
        lines = [
            f"  server {template[1]}{number} 127.0.0.1:{port}{template[2]}"
            for number, port in enumerate(replicas[template[1]], 1)
        ]
        return "\n".join(lines)

    # Abstract sockets are one name space for all on this machine.
    shipped = shipped.replace("abns@", f"abns@{ports['8080']}_")
    return re.sub(r"  server-template (\w+) 16 \S+(.*)", named, shipped)


@contextmanager
def running(
    folder: Path, features: Sequence[servers.Running], predictions: Sequence[servers.Running], calls_port: int
) -> Iterator[servers.Running | None]:
    """`calls_port`: where the prediction service may ask for features."""
    home = folder / "gateway"
    shutil.copytree(_SHIPPED, home, dirs_exist_ok=True)
    start = command(home)
    if start is None:
        yield None
        return
    ports = {"8080": servers.free_port(), "8001": calls_port, "8405": servers.free_port()}
    replicas = {"feature": [one.port for one in features], "prediction": [one.port for one in predictions]}
    shipped = (_SHIPPED / "haproxy.cfg").read_text()
    (home / "haproxy.cfg").write_text(_configured(shipped, ports, replicas))
    home.chmod(0o755)
    with servers.server(start, ports["8080"], "/models", folder / "gateway.log") as found:
        yield found
