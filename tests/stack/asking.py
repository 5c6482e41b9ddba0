"""The same questions over and over, from several callers, and what is wrong with the answers."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from stack.compose import CLIENT

CALLERS = 4
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 20.0
UNKNOWN = 1


class Question(NamedTuple):
    method: str
    path: str
    body: dict[str, Any] | None
    status: int
    answer: Any


class Answer(NamedTuple):
    asked: float
    seconds: float
    status: int
    """0: none came."""
    kind: str
    """The problem's type, or the name of what came instead of an answer."""
    expected: bool
    wrong: str | None
    """What a caller must never be told: says what it is."""


def questions(base: str, headers: Mapping[str, str] | None = None) -> list[Question]:
    """Questions about some clients and about one that there is not, with the answers of the healthy system."""
    wanted = {"client_ids": list(range(CLIENT, CLIENT + 400))}
    found = httpx.post(f"{base}/online_feature_store/batch", json=wanted, headers=headers, timeout=10).json()[
        "features"
    ]
    ids = [vector["client_id"] for vector in found][:8]
    assert len(ids) == 8
    asked: list[tuple[str, str, dict[str, Any] | None]] = []
    for client_id in ids:
        asked += [
            ("GET", f"/online_feature_store/client_id={client_id}", None),
            ("GET", f"/credit_risk/client_id={client_id}", None),
        ]
    asked += [
        ("GET", f"/credit_risk/client_id={UNKNOWN}", None),
        ("GET", f"/online_feature_store/client_id={UNKNOWN}", None),
        ("POST", "/online_feature_store/batch", {"client_ids": [*ids, UNKNOWN]}),
        ("POST", "/credit_risk/batch", {"client_ids": [UNKNOWN, *ids]}),
    ]
    return [_learned(base, headers, *question) for question in asked]


def writes(base: str, client_ids: Sequence[int]) -> list[Question]:
    """A write about each client that changes nothing when it is repeated, with its answer then."""
    body = {"event_timestamp": "2020-01-01T00:00:00Z", "age": 40}
    asked = [("PUT", f"/online_feature_store/client_id={client_id}", body) for client_id in client_ids]
    for question in asked:
        _learned(base, None, *question)
    return [_learned(base, None, *question) for question in asked]


def _learned(
    base: str, headers: Mapping[str, str] | None, method: str, path: str, body: dict[str, Any] | None
) -> Question:
    answer = httpx.request(method, base + path, json=body, headers=headers, timeout=10)
    assert answer.status_code == (404 if path.endswith(f"={UNKNOWN}") else 200), answer.text
    return Question(method, path, body, answer.status_code, repeatable(answer.json()))


def repeatable(answer: Any) -> Any:
    """An answer without what each decision has of its own."""
    if isinstance(answer, list):
        return [repeatable(part) for part in answer]
    if isinstance(answer, dict):
        return {key: repeatable(part) for key, part in answer.items() if key not in ("decision_id", "commitment")}
    return answer


def what_is_wrong(question: Question, status: int, headers: httpx.Headers, content: bytes) -> str | None:
    """None for the right answer, and for an outage that says so properly."""
    try:
        said = json.loads(content)
    except ValueError:
        return f"{status} that is not JSON"
    if status == question.status:
        same = repeatable(said) == question.answer if status == 200 else said["type"] == question.answer["type"]
        return None if same else f"{status} with other content"
    if status not in (502, 503, 504):
        return f"{status} instead of {question.status}"
    if headers.get("content-type") != "application/problem+json" or said.get("status") != status:
        return f"{status} that is no problem"
    return f"{status} without Retry-After" if status == 503 and "retry-after" not in headers else None


async def _ask(client: httpx.AsyncClient, question: Question) -> Answer:
    asked = time.monotonic()
    try:
        got = await client.request(question.method, question.path, json=question.body)
    except httpx.TransportError as fault:
        return Answer(asked, time.monotonic() - asked, 0, type(fault).__name__, expected=False, wrong=None)
    wrong = what_is_wrong(question, got.status_code, got.headers, got.content)
    kind = "" if got.status_code == 200 or wrong else got.json()["type"]
    expected = got.status_code == question.status and not wrong
    return Answer(asked, time.monotonic() - asked, got.status_code, kind, expected, wrong)


async def _ask_until(
    end: threading.Event, base: str, headers: Mapping[str, str] | None, asked: Sequence[Question], answers: list[Answer]
) -> None:
    async def caller(start: int) -> None:
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE_SECONDS) as client:
            for question in itertools.islice(itertools.cycle(asked), start, None):
                if end.is_set():
                    return
                answers.append(await _ask(client, question))
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(caller(5 * number) for number in range(CALLERS)))


@contextmanager
def asking(base: str, asked: Sequence[Question], headers: Mapping[str, str] | None = None) -> Iterator[list[Answer]]:
    """Ask until the block ends. Brings the list that the answers are added to."""
    answers = list[Answer]()
    end = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask_until(end, base, headers, asked, answers)))
    thread.start()
    try:
        yield answers
    finally:
        end.set()
        thread.join()
