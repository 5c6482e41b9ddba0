"""The stack of deploy/swarm on a swarm of one node."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from stack.asking import CALLERS, Answer, asking, questions
from stack.compose import Compose, eventually
from stack.swarm import EMULATOR, Swarm, lacks, running_swarm

pytestmark = [
    pytest.mark.skipif(lacks() is not None, reason=str(lacks())),
    pytest.mark.timeout(300, func_only=True),
]


@pytest.fixture(scope="module")
def swarm(images: None, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarm]:
    Compose().with_profile("dynamodb")("build", "--quiet", "dynamodb", timeout=600)
    with running_swarm() as started:
        started.install(model_dir, tmp_path_factory.mktemp("swarm"))
        eventually(lambda: started.is_whole() and started.answers(), 300)
        yield started


def test_only_who_has_a_key_is_answered(swarm: Swarm) -> None:
    path = f"{swarm.front}/online_feature_store/client_id=1"
    assert httpx.get(path, timeout=10).status_code == 401
    assert httpx.get(path, headers=swarm.headers, timeout=10).status_code == 404


@pytest.mark.parametrize("service", ["db", "decision-log", "feature-service", "prediction-service", "gateway"])
def test_the_engine_does_what_the_file_says(swarm: Swarm, service: str) -> None:
    container = swarm.containers(service)[0]
    template = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
    read_only, dropped, memory, processes = swarm("docker", "inspect", "-f", template, container).split()
    assert (read_only, dropped, processes) == ("true", "[ALL]", "128")
    assert 0 < int(memory) <= 4 << 30
    secrets = swarm("docker", "exec", container, "ls", "/run/secrets") if service != "gateway" else ""
    assert len(secrets.split()) == {"db": 1, "decision-log": 1, "feature-service": 3, "prediction-service": 4}.get(
        service, 0
    )


def _said(answers: Sequence[Answer], lost: Sequence[Answer], started: float) -> str:
    slowest = max(answer.seconds for answer in answers)
    took = time.monotonic() - started
    return f"\n{len(answers)} requests, {len(lost)} lost, the slowest took {slowest:.2f} s; all well after {took:.0f} s"


def test_no_request_is_lost_while_all_replicas_are_replaced(swarm: Swarm) -> None:
    before = {*swarm.containers("feature-service"), *swarm.containers("prediction-service")}
    asked, started = questions(swarm.front, swarm.headers), time.monotonic()
    with asking(swarm.front, asked, swarm.headers) as answers:
        swarm.update("feature-service")
        swarm.update("prediction-service")
    after = {*swarm.containers("feature-service"), *swarm.containers("prediction-service")}
    lost = [answer for answer in answers if not answer.expected]
    print(_said(answers, lost, started))
    assert not before & after
    assert not lost, lost[:3]


def test_a_replica_that_dies_is_replaced(swarm: Swarm) -> None:
    asked, started = questions(swarm.front, swarm.headers), time.monotonic()
    [victim, _] = swarm.containers("prediction-service")
    with asking(swarm.front, asked, swarm.headers) as answers:
        swarm("docker", "kill", victim)
        eventually(lambda: len({*swarm.containers("prediction-service")} - {victim}) == 2 and swarm.is_whole(), 150)
    lost = [answer for answer in answers if not answer.expected]
    print(_said(answers, lost, started))
    assert not [answer.wrong for answer in lost if answer.wrong]
    # A decision that it was making is not asked for again: at most one of each caller.
    assert len(lost) <= CALLERS, lost[:3]


def test_no_request_is_lost_on_the_way_to_a_table_of_dynamodb(swarm: Swarm) -> None:
    before = swarm.containers("feature-service")
    asked, started = questions(swarm.front, swarm.headers), time.monotonic()
    with asking(swarm.front, asked, swarm.headers) as answers:
        swarm.deploy("deploy/swarm/dynamodb.yml", ONLINE_STORE=EMULATOR)
        swarm.await_update("feature-service")  # it gets credentials, and reads from PostgreSQL still
        eventually(lambda: swarm.replicas("publisher") == "1/1", 150)
        swarm.deploy("deploy/swarm/dynamodb.yml", READ_FROM=EMULATOR)
        swarm.await_update("feature-service")
    lost = [answer for answer in answers if not answer.expected]
    print(_said(answers, lost, started))
    assert not {*before} & {*swarm.containers("feature-service")}
    assert not lost, lost[:3]
    swarm("docker", "service", "scale", "--detach", "credit-risk_dynamodb=0")
    path = f"{swarm.front}/online_feature_store/client_id=1"
    eventually(lambda: httpx.get(path, headers=swarm.headers, timeout=10).status_code == 503)
