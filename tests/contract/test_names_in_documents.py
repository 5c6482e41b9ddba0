"""The OpenAPI documents are such that clients can be generated from them: names that can be read, and nothing in the air."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from asgi import client_of, transport_to
from both_services import FakeStore, feature_app, prediction_app


@pytest.fixture
def documents(model_dir: Path) -> list[dict[str, Any]]:
    async def scenario() -> list[dict[str, Any]]:
        features = feature_app(FakeStore())
        async with (
            transport_to(features) as transport,
            client_of(features) as one,
            client_of(prediction_app(transport, model_dir)) as other,
        ):
            return [(await client.get("/openapi.json")).json() for client in (one, other)]

    return asyncio.run(scenario())


def test_each_operation_is_named_once_and_after_what_it_does(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
        assert len(names) == len(set(names))
        assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+){0,4}", name)] == []
        assert "live" in names


def test_every_schema_that_is_pointed_at_is_a_component(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        refs = set(re.findall(r"'\$ref': '([^']+)'", str(document)))
        assert refs
        assert {ref for ref in refs if ref.rsplit("/", 1)[0] != "#/components/schemas"} == set()
        assert {ref.rsplit("/", 1)[1] for ref in refs} <= set(document["components"]["schemas"])
        assert "$defs" not in str(document)
