"""The services are released apart: each takes what an older and a newer neighbour sends."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import credit_default
from asgi import client_of
from both_services import FakeStore, feature_app, prediction_app
from credit_default import ROW

VALUES = {name: value for name, value in ROW.items() if name not in ("client_id", "event_timestamp")}
VECTOR = {"client_id": 5, **VALUES, "event_timestamp": "2020-04-11T00:00:00Z"}
NEWER_VECTOR = {
    "feature_timestamps": {"age": "2020-04-01T00:00:00Z"},
    "nb_previous_loans@2": 8,
    **VECTOR,
    "income": {"amount": 1, "currency": "EUR"},
}

FEATURES = json.loads(credit_default.SET.canonical())["feature"]
ANSWERS = {
    "older": ({}, {"features": [VECTOR], "not_found": []}),
    "newer": (
        {"Feature-Set": "credit_default; digest=00; later=1", "ETag": '"1"', "Later": "1"},
        {"features": [NEWER_VECTOR], "not_found": [], "as_of": None, "later": []},
    ),
}
QUESTIONS: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "older": ({}, {"client_ids": [5]}),
    "as of an instant": ({}, {"client_ids": [5], "as_of": None}),
    "newer": ({"Later": "1", "X-Request-Timeout-Ms": "500"}, {"client_ids": [5], "later": {"any": [1]}}),
}


@pytest.mark.parametrize("neighbour", QUESTIONS)
def test_the_feature_service_takes_the_question_of_an_older_and_a_newer_prediction_service(neighbour: str) -> None:
    headers, question = QUESTIONS[neighbour]

    async def asked() -> httpx.Response:
        async with client_of(feature_app(FakeStore([ROW]))) as client:
            return await client.post("/online_feature_store/batch", json=question, headers=headers)

    answer = asyncio.run(asked())
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"features": [VECTOR], "not_found": []}


@pytest.mark.parametrize("neighbour", ANSWERS)
def test_the_prediction_service_takes_the_answer_of_an_older_and_a_newer_feature_service(
    neighbour: str, model_dir: Path
) -> None:
    headers, said = ANSWERS[neighbour]
    definitions = {"version": "1", "name": "credit_default", "digest": "00", "features": FEATURES, "later": 1}

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for_definitions = request.url.path == "/feature_definitions"
        return httpx.Response(200, json=definitions if asked_for_definitions else said, headers=headers)

    transport = httpx.MockTransport(answer)

    async def asked() -> list[Any]:
        async with client_of(prediction_app(transport, model_dir)) as client:
            one = await client.get("/credit_risk/client_id=5")
            many = await client.post("/credit_risk/batch", json={"client_ids": [5]})
            return [one.raise_for_status().json(), *many.raise_for_status().json()["predictions"]]

    one, many = asyncio.run(asked())
    assert one == many
    assert one["input_variables"] == {name: VALUES[name] for name in one["input_variables"]}
    assert one["event_timestamp"] == VECTOR["event_timestamp"]
