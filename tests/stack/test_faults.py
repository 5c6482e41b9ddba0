"""Each container paused, killed and restarted while clients are asked about: outages are said to be outages, and end."""

import time
from collections.abc import Iterator, Sequence

import pytest

from stack.asking import Answer, Question, asking, questions
from stack.compose import Compose, docker

LONGEST_RECOVERY_SECONDS = 20.0
CALM_SECONDS = 1.5
# Longer than what waits for it is ready to wait, except at the front door, where only the caller's patience counts.
PAUSES = {"db": 3.0, "feature-service": 6.5, "prediction-service": 6.5, "gateway": 3.0}
FAULTS = [(service, fault) for service in PAUSES for fault in ("pause", "kill", "restart")]

pytestmark = pytest.mark.timeout(120, func_only=True)


@pytest.fixture(scope="module")
def asked(compose: Compose) -> list[Question]:
    return questions(compose.front)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows = [
        "| container | fault | what callers see | slowest answer | healthy again after | wrong answers |",
        "|---|---|---|---|---|---|",
    ]
    yield rows
    print("\n" + "\n".join(rows))


def hurt(container: str, service: str, fault: str) -> None:
    """Do it, and undo it. The cause is gone when this returns."""
    match fault:
        case "pause":
            docker("pause", container)
            time.sleep(PAUSES[service])
            docker("unpause", container)
        case "kill":
            docker("kill", container)
            time.sleep(2.5)
            docker("start", container)
        case "restart":
            docker("restart", "--time", "15", container)


def wait_until_calm(answers: Sequence[Answer], gone: float) -> float:
    """Seconds from `gone` to the last question that was not answered."""
    while True:
        now = time.monotonic()
        last = max((answer.asked + answer.seconds for answer in answers if not answer.expected), default=0.0)
        good = sum(answer.expected and answer.asked > max(last, gone) for answer in answers)
        if now - max(last, gone) > CALM_SECONDS and good > 20:
            return max(0.0, max((answer.asked for answer in answers if not answer.expected), default=gone) - gone)
        assert now - gone < LONGEST_RECOVERY_SECONDS, "it did not recover"
        time.sleep(0.1)


@pytest.mark.parametrize(("service", "fault"), FAULTS, ids=["-".join(case) for case in FAULTS])
def test_a_fault_is_an_outage_and_passes(
    compose: Compose, asked: list[Question], table: list[str], service: str, fault: str
) -> None:
    [container] = compose.containers(service)
    others = {other: started_at(other) for other in compose.containers() if other != container}
    with asking(compose.front, asked) as answers:
        time.sleep(0.5)
        assert all(answer.expected for answer in answers)
        hurt(container, service, fault)
        recovery = wait_until_calm(answers, time.monotonic())
    failed = [answer for answer in answers if not answer.expected]
    seen = sorted({f"{answer.status} `{answer.kind}`" if answer.status else answer.kind for answer in failed})
    slowest = max(answer.seconds for answer in answers)
    wrong = [answer.wrong for answer in answers if answer.wrong]
    table.append(
        f"| {service} | {fault} | {'; '.join(seen) or 'a wait'} | {slowest:.1f} s | {recovery:.1f} s | {len(wrong)} |"
    )
    print(f"\n{table[-1]} {len(failed)}/{len(answers)}")
    assert not wrong, sorted(set(wrong))
    assert failed or slowest > 0.5, "the fault was none"
    assert others == {other: started_at(other) for other in others}


def started_at(container: str) -> str:
    return docker("inspect", "-f", "{{.State.StartedAt}}", container)
