"""What the running containers may do, and what they give away."""

import pytest

from stack.compose import Compose, docker, inspected

pytestmark = pytest.mark.timeout(60, func_only=True)

SERVICES = ("db", "decision-db", "decision-log", "feature-service", "prediction-service", "gateway")
DATABASES = ("db", "decision-db")


def processes(container: str) -> dict[str, dict[str, str]]:
    """All that run in it, apart from the one that looks."""
    script = "for f in /proc/[0-9]*/status; do echo == $f; cat $f; done"
    blocks = docker("exec", container, "sh", "-c", script).split("== ")[1:]
    described = {}
    for block in blocks:
        path, _, text = block.partition("\n")
        lines = (line.partition(":") for line in text.splitlines())
        fields = {name: value.strip() for name, _, value in lines}
        if fields.get("Name") not in (None, "sh", "cat"):
            described[path.split("/")[2]] = fields
    assert len(described) >= 2
    return described


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_is_root_or_can_become_it(compose: Compose, service: str) -> None:
    [container] = compose.containers(service)
    for status in processes(container).values():
        assert set(status["Uid"].split()) != {"0"}, status["Name"]
        assert status["CapEff"] == "0000000000000000", status["Name"]
        assert status["NoNewPrivs"] == "1", status["Name"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_can_write_to_its_image_or_take_the_machine(compose: Compose, service: str) -> None:
    [container] = compose.containers(service)
    host = inspected(container)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["Privileged"]
    assert 0 < host["Memory"] <= 1 << 30
    assert 0 < host["PidsLimit"] <= 128
    assert (service in DATABASES) == bool(host["CapAdd"])
    with pytest.raises(AssertionError, match="Read-only file system"):
        docker("exec", "--user", "0", container, "touch", "/etc/x")


def test_only_loopback_is_listened_on_and_the_database_not_at_all(compose: Compose) -> None:
    for service in SERVICES:
        [container] = compose.containers(service)
        bindings = inspected(container)["HostConfig"]["PortBindings"] or {}
        assert {bound["HostIp"] for each in bindings.values() for bound in each} == (
            set() if service in (*DATABASES, "decision-log") else {"127.0.0.1"}
        )


def test_no_secret_is_in_what_docker_knows(compose: Compose) -> None:
    secrets = compose.secrets()
    assert len(secrets) >= 2
    for container in compose.containers(all=True):
        described = docker("inspect", container)
        assert not any(secret in described for secret in secrets)
