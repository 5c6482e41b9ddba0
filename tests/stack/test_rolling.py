"""Two replicas of each service: one after the other is stopped and started again while both are asked."""

import json
import time
from collections.abc import Iterator

import pytest

from stack.asking import CALLERS, asking, questions, writes
from stack.compose import Compose, docker, inspected, wait_until_healthy

UNSEEN = 4_000_000_000
"""From this id on there are no clients of the sample."""
SERVICES = ("feature-service", "prediction-service")

pytestmark = pytest.mark.timeout(180, func_only=True)


@pytest.fixture(scope="module")
def replicas(compose: Compose) -> Iterator[list[str]]:
    two, one = ([part for service in SERVICES for part in ("--scale", f"{service}={count}")] for count in (2, 1))
    compose("up", "-d", "--no-recreate", *two, *SERVICES)
    containers = compose.containers(*SERVICES)
    for container in containers:
        wait_until_healthy(container)
    yield containers
    compose("up", "-d", "--no-recreate", *one, *SERVICES)


def asked_of(container: str) -> int:
    """How many questions about clients this replica has answered, as it has logged."""
    lines = [
        json.loads(line) for line in docker("logs", container).splitlines() if line.startswith('{"event":"request"')
    ]
    return sum("{client_id}" in line["route"] or "batch" in line["route"] for line in lines)


def test_no_request_is_lost_while_replicas_are_replaced_one_by_one(compose: Compose, replicas: list[str]) -> None:
    assert len(replicas) == 4
    reads = questions(compose.front)
    new = writes(compose.front, range(UNSEEN, UNSEEN + len(reads)))
    asked = [question for pair in zip(reads, new, strict=True) for question in pair]
    with asking(compose.front, asked) as answers:
        for container in replicas:
            time.sleep(0.5)
            docker("stop", "--time", "15", container)
            assert inspected(container)["State"]["ExitCode"] == 0
            time.sleep(0.5)
            docker("start", container)
            wait_until_healthy(container)
    lost = [answer for answer in answers if not answer.expected]
    slowest = max(answer.seconds for answer in answers)
    print(f"\n{len(answers)} requests, half of them writes, {len(lost)} lost, the slowest took {slowest:.2f} s")
    assert not lost, lost[:3]
    assert slowest < 3


@pytest.mark.parametrize("number", [0, -1])
def test_the_death_of_one_replica_is_not_noticed(compose: Compose, replicas: list[str], number: int) -> None:
    asked = questions(compose.front)
    with asking(compose.front, asked) as answers:
        time.sleep(0.5)
        docker("kill", replicas[number])
        time.sleep(2)
        docker("start", replicas[number])
        wait_until_healthy(replicas[number])
    lost = [answer for answer in answers if not answer.expected]
    print(
        f"\n{len(answers)} requests, {len(lost)} lost, the slowest took {max(answer.seconds for answer in answers):.2f} s"
    )
    assert not [answer.wrong for answer in lost if answer.wrong]
    # A decision that a replica was making when it died is not asked for again: at most one of each caller.
    assert len(lost) <= (CALLERS if number else 0), lost[:3]


def test_a_paused_replica_of_features_costs_predictions_a_moment(compose: Compose, replicas: list[str]) -> None:
    asked = questions(compose.front)
    with asking(compose.front, asked) as answers:
        time.sleep(0.5)
        docker("pause", replicas[0])
        paused = time.monotonic()
        time.sleep(6)
        docker("unpause", replicas[0])
        wait_until_healthy(replicas[0])
    lost = [answer for answer in answers if not answer.expected]
    slowest = max(answer.seconds for answer in answers)
    later = max(answer.seconds for answer in answers if paused + 2 < answer.asked < paused + 6)
    print(f"\n{len(answers)} requests, {len(lost)} lost, slowest {slowest:.2f} s, after two seconds {later:.2f} s")
    assert not lost, lost[:3]
    assert slowest < 2.5
    assert later < 0.5


def test_every_replica_has_its_share(compose: Compose, replicas: list[str]) -> None:
    asked = questions(compose.front)
    before = {container: asked_of(container) for container in replicas}
    with asking(compose.front, asked):
        time.sleep(3)
    shares = {container: asked_of(container) - before[container] for container in replicas}
    assert min(shares.values()) > 20, shares
