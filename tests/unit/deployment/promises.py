"""What docker-compose.yml promises of its services, for the comparison with the other ways to run them."""

import re
import subprocess
import sys
from pathlib import Path

from unit.deployment.rendered import ROOT, Document, compose

_READINESS = ["CMD", "python", "/compose/ready.py"]


_CREDENTIALS = "AWS_"
_FILE_OF_CREDENTIALS = "/run/aws/credentials:ro"
_OWN_TABLE = "publish"
"""The profile of a table of one's own; what other profiles add is for one machine."""


def services() -> dict[str, Document]:
    """All that start without a profile, and the publisher."""
    found = compose()["services"]
    kept = {name: each for name, each in found.items() if _OWN_TABLE in each.get("profiles", [_OWN_TABLE])}
    changed = {"publisher": without_credentials(kept["publisher"]), "feature-service": without_table()}
    return {name: changed.get(name, each) for name, each in kept.items()}


def without_credentials(service: Document) -> Document:
    """Without those that Compose takes from the shell or from a file of the machine: elsewhere the platform has them."""
    kept = {key: value for key, value in service["environment"].items() if not key.startswith(_CREDENTIALS)}
    volumes = [volume for volume in service["volumes"] if not volume.endswith(_FILE_OF_CREDENTIALS)]
    changed = {key: value for key, value in service.items() if key != "profiles"}
    return changed | {"environment": kept, "volumes": volumes}


def without_table() -> Document:
    """The feature service without what lets it find the emulator of a profile, or a table in the cloud."""
    service = without_credentials(compose()["services"]["feature-service"])
    kept = {key: value for key, value in service["environment"].items() if key != "FEATURE_SERVICE_ONLINE_STORE"}
    assert service["command"] == ["sh", "/compose/serve_features.sh"]
    changed = {key: value for key, value in service.items() if key != "command"}
    return changed | {"environment": kept}


def size(text: str) -> int:
    """Bytes of `256m`, `256Mi`, `1g` or `1Gi`; Compose counts in 1,024, too."""
    found = re.fullmatch(r"(\d+)([kmgKMG])i?", text)
    assert found, text
    return int(found[1]) << {"k": 10, "m": 20, "g": 30}[found[2].lower()]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def command(service: Document) -> list[str] | None:
    found: list[str] | None = service.get("command")
    return found


def mounted(service: Document) -> dict[str, bool]:
    """Where its volumes are, but for the secrets, and whether it may only read them. Files count as their folders."""
    found = {}
    for volume in service.get("volumes", ()):
        _, _, inside = volume.removesuffix(":ro").rpartition(":")
        if inside not in ("/run/secrets", "/var/lib/postgresql/data"):
            found["/own" if inside.startswith("/own/") else inside] = volume.endswith(":ro")
    return found


def secret_files(folder: Path) -> dict[str, set[str]]:
    """The files that each service finds in /run/secrets, as the script of the first start makes them below `folder`."""
    script = (ROOT / "deploy/compose/make_passwords.py").read_text().replace("/run", str(folder))
    made = {volume: folder / volume.removesuffix("_credentials") for volume in compose()["volumes"]}
    for path in made.values():
        path.mkdir()
    subprocess.run([sys.executable, "-c", script], check=True)
    files = {volume: {file.name for file in path.iterdir()} for volume, path in made.items()}
    found: dict[str, set[str]] = {}
    for name, service in services().items():
        volumes = [volume.split(":") for volume in service.get("volumes", ())]
        found[name] = {file for volume in volumes if volume[1] == "/run/secrets" for file in files[volume[0]]}
    return found


def share_a_network(one: str, other: str) -> bool:
    networks = [set(services()[name].get("networks", ())) for name in (one, other)]
    return bool(networks[0] & networks[1])


def asks_readiness(service: Document) -> bool:
    return bool(service["healthcheck"]["test"] == _READINESS)


def fields() -> set[str]:
    return {field for service in services().values() for field in service}
