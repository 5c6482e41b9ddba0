"""The services are released apart: each takes what an older and a newer neighbour sends."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import credit_default
from asgi import client_of, transport_to
from both_services import CREDIT_DEFAULT, FakeStore, feature_app, prediction_app
from credit_default import ROW
from feature_service.definitions.served import ServedSet
from shared_schemas import Feature, FeatureSet

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


INCOME = Feature(name="income", type="number", description="A year.")
RAISED = tuple(
    feature.model_copy(update={"version": 2}) if feature.name == "age" else feature
    for feature in CREDIT_DEFAULT.features
)
AGE = next(feature for feature in CREDIT_DEFAULT.features if feature.name == "age")


def test_a_feature_that_is_removed_while_an_older_version_of_another_is_read_fails_no_decision(model_dir: Path) -> None:
    def served(digest: str, *features: Feature) -> ServedSet:
        return ServedSet(1, digest, FeatureSet(name="credit_default", features=features), [AGE])

    async def scenario() -> None:
        store = FakeStore([ROW], served("aa", *RAISED, INCOME))
        async with (
            transport_to(feature_app(store)) as transport,
            client_of(prediction_app(transport, model_dir)) as client,
        ):
            before = await client.get("/credit_risk/client_id=5")
            store.feature_set.served = served("bb", *RAISED)
            asked = [client.get("/credit_risk/client_id=5") for _ in range(3)]
            asked.append(client.post("/credit_risk/batch", json={"client_ids": [5]}))
            *one, many = await asyncio.gather(*asked)
            for answer in one:
                assert answer.raise_for_status().json() == before.raise_for_status().json()
            assert many.raise_for_status().json()["predictions"] == [before.json()]
            store.feature_set.served = ServedSet(2, "cc", FeatureSet(name="credit_default", features=RAISED))
            answer = await client.get("/credit_risk/client_id=5")
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/feature-set-mismatch")
            assert "age" in answer.json()["detail"]
            assert (await client.get("/health/ready")).status_code == 503

    asyncio.run(scenario())
