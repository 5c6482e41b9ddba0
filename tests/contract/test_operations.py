"""Laws of every declared operation: the fast path and the routed one answer the same bytes; problems are one tree."""

import asyncio
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from asgi import client_of, transport_to
from both_services import FakeStore, assert_problem, feature_app, prediction_app
from credit_default import ROW
from feature_service.routes.reading import operations as feature_operations
from prediction_service.errors import FeatureServiceRefusedUs
from prediction_service.routes.deciding import operations as prediction_operations
from service_kit.operations import FastPath, Operation, Operations
from service_kit.problems import ProblemError
from service_kit.request.ask import Ask

HOT: list[Operation[Any]] = [one for part in (feature_operations, prediction_operations) for one in part if one.hot]
IDS = ["5", "6", "9", "0", "05", "x", "", "9223372036854775807", "9223372036854775808"]
VALUES = ["true", "false", "perhaps", "", "2020-05-01T00:00:00Z", "2020-01-01T00:00:00%2B01:00", "2020-04-11", "1"]
BODIES = [b"", b"{", b"[]", b"null", b'{"client_ids": [5, 9, 5]}', b'{"client_ids": []}', b'{"client_ids": ["5"]}',
          b'{"client_ids": [5], "as_of": "2020-01-01T00:00:00Z"}', b'{"client_ids": [5], "key": 1}', b"\xff"]  # fmt: skip


class Asked(NamedTuple):
    method: str
    url: str
    body: bytes | None


def requests_of(operation: Operation[Any]) -> Iterator[Asked]:
    """Requests for an operation, made from what is declared about it."""
    chance = random.Random(operation.address)
    fields = [*(operation.query.model_fields if operation.query else ()), "unknown"]
    queries = ["", *(f"?{name}={value}" for name in fields for value in VALUES)]
    for client_id in IDS if operation.names else [""]:
        for query in queries:
            bodies = chance.sample(BODIES, 4) if operation.body else [None]
            for body in bodies:
                yield Asked(operation.method, operation.address.replace("{client_id}", client_id) + query, body)


@pytest.mark.parametrize("operation", HOT, ids=lambda one: f"{one.method} {one.address}")
def test_the_fast_path_and_the_routed_one_answer_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, model_dir: Path, operation: Operation[Any]
) -> None:
    async def answers(*, fast: bool) -> list[tuple[int, bytes, list[tuple[str, str]]]]:
        with monkeypatch.context() as patch:
            if not fast:
                patch.setattr(FastPath, "find", lambda *_: None)
            features = feature_app(FakeStore([ROW, ROW | {"client_id": 6, "age": None}]))
            async with transport_to(features) as transport:
                app = features if operation in list(feature_operations) else prediction_app(transport, model_dir)
                async with client_of(app) as client:
                    headers = {"X-Request-ID": "same", "Content-Type": "application/json"}
                    found = [
                        await client.request(asked.method, asked.url, content=asked.body, headers=headers)
                        for asked in requests_of(operation)
                    ]
        return [(one.status_code, one.content, sorted(one.headers.multi_items())) for one in found]

    fast, routed = asyncio.run(answers(fast=True)), asyncio.run(answers(fast=False))
    assert {200, 422} <= {status for status, _, _ in fast}
    for asked, one, other in zip(requests_of(operation), fast, routed, strict=True):
        assert one == other, asked


def test_a_handler_that_does_not_fit_its_address_is_refused_when_it_is_declared() -> None:
    operations = Operations[None]("tests")

    async def handler(ask: Ask[None], other: int) -> bytes:
        return b""

    with pytest.raises(TypeError):
        operations.declare("GET", "/things/client_id={client_id}", scope=None)(handler)


def leaves(kind: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for child in kind.__subclasses__():
        yield child
        yield from leaves(child)


def test_each_problem_type_stands_once_in_the_tree_and_every_documented_one_is_in_it() -> None:
    types = [leaf.type for leaf in leaves(ProblemError) if "type" in vars(leaf)]
    assert len(types) == len(set(types))
    readme = Path(__file__).parents[2] / "docs/reference/problems.md"
    documented = set(re.findall(r"`(/problems/[a-z-]+)`", readme.read_text()))
    assert documented <= set(types)


def test_a_refused_key_is_its_own_problem_and_readiness_until_it_is_taken(model_dir: Path) -> None:
    status = 401

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=b'{"features":[],"not_found":[]}')

    async def scenario() -> None:
        nonlocal status
        async with client_of(prediction_app(httpx.MockTransport(answer), model_dir)) as client:
            assert (await client.get("/health/ready")).status_code == 200
            kind = FeatureServiceRefusedUs.type.removeprefix("/problems/")
            assert_problem(await client.get("/credit_risk/client_id=5"), 503, kind)
            assert_problem(await client.get("/health/ready"), 503, kind)
            status = 503  # unavailable is no reason not to be ready
            assert (await client.get("/health/ready")).status_code == 200
            status = 403
            assert_problem(await client.get("/credit_risk/client_id=5"), 503, kind)
            status = 200
            assert (await client.get("/health/ready")).status_code == 200

    asyncio.run(scenario())


def test_too_many_requests_to_the_feature_service_is_unavailable_for_as_long_as_it_says(model_dir: Path) -> None:
    app = prediction_app(httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "17"})), model_dir)

    async def ask() -> httpx.Response:
        async with client_of(app) as client:
            return await client.get("/credit_risk/client_id=5")

    answer = asyncio.run(ask())
    assert_problem(answer, 503, "feature-service-unavailable")
    assert answer.headers["retry-after"] == "17"


def test_the_document_describes_an_operation_with_its_docstring() -> None:
    document = feature_app(FakeStore([])).openapi()
    read = document["paths"]["/feature_definitions"]["get"]
    assert read["summary"] == "What each feature means"
    assert read["description"].startswith("The ETag changes")
    write = document["paths"]["/online_feature_store/client_id={client_id}"]["put"]
    assert write["summary"] == "Write what is new about one client"
    assert write["description"].startswith("The value of a feature")


def patterns_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "pattern" and isinstance(value, str))
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from patterns_in(item)


def test_patterns_of_the_documents_are_of_the_dialect_of_json_schema(model_dir: Path) -> None:
    away = httpx.MockTransport(lambda _: httpx.Response(503))

    async def documents() -> list[Any]:
        found = []
        for app in (feature_app(FakeStore([])), prediction_app(away, model_dir)):
            async with client_of(app) as client:
                found.append((await client.get("/openapi.json")).json())
        return found

    found = [list(patterns_in(document)) for document in asyncio.run(documents())]
    assert all(found)
    for pattern in [*found[0], *found[1]]:
        assert not re.search(r"\\[zZA]", pattern), pattern
        assert pattern.startswith("^")
        assert pattern.endswith("$")


def test_a_method_that_an_address_lacks_is_refused_with_all_that_it_has(model_dir: Path) -> None:
    async def allowed() -> dict[str, str]:
        features, found = feature_app(FakeStore([])), {}
        async with transport_to(features) as transport:
            for app in (features, prediction_app(transport, model_dir)):
                async with client_of(app) as client:
                    for address in app.openapi()["paths"]:
                        answer = await client.request("PATCH", address.replace("{client_id}", "5"))
                        assert answer.status_code == 405, address
                        found[address] = answer.headers["allow"]
        return found

    found = asyncio.run(allowed())
    assert found["/online_feature_store/client_id={client_id}"] == "DELETE, GET, PUT"
    assert found["/decisions/{decision_id}/reviews"] == "GET, POST"
    assert found["/health/live"] == "GET"
    assert all(methods == ", ".join(sorted(methods.split(", "))) for methods in found.values())
