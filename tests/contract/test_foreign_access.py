"""Which keys the clients of foreign protocols need, and that each reads a refusal in its own form."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from asgi import client_of
from both_services import CREDIT_DEFAULT, FakeStore, prediction_app
from feature_service.app import create_app
from feature_service.settings import Settings
from hand_made import write_version

SCOPES = ("features:read", "features:write", "predict", "admin")
LINES = SecretStr(
    "\n".join(
        f"name={sha256(s.encode()).hexdigest()[:8]} scopes={s} sha256={sha256(s.encode()).hexdigest()}" for s in SCOPES
    )
)
TENSOR = {"inputs": [{"name": "count", "shape": [1], "datatype": "FP64", "data": [4]}]}
READ = {"features": [f"{CREDIT_DEFAULT.definitions.name}_features:age"], "entities": {"client_id": [5]}}
OPEN = [("GET", "/v2/health/live"), ("GET", "/v2/health/ready"), ("GET", "/ping"), ("GET", "/health")]
PREDICT = [
    ("GET", "/v2"), ("GET", "/v2/models"), ("GET", "/v2/models/hand_made"), ("GET", "/v2/models/hand_made/ready"),
    ("POST", "/v2/repository/index"), ("POST", "/v2/models/hand_made/infer"),
    ("POST", "/v2/models/hand_made/versions/first/infer"), ("POST", "/invocations"), ("GET", "/version"),
]  # fmt: skip


def asked(app: FastAPI, method: str, url: str, key: str | None, body: Any) -> httpx.Response:
    async def scenario() -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with client_of(app) as client:
            return await client.request(
                method, url, headers=headers, content=json.dumps(body) if method == "POST" else None
            )

    return asyncio.run(scenario())


def statuses(app: FastAPI, method: str, url: str, body: Any) -> list[int]:
    return [asked(app, method, url, key, body).status_code for key in (None, "wrong", *SCOPES)]


@pytest.fixture
def predictions(tmp_path: Path) -> FastAPI:
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    return prediction_app(transport, write_version(tmp_path), api_keys=LINES)


@pytest.fixture
def features() -> FastAPI:
    @asynccontextmanager
    async def open_store(_: Settings) -> AsyncIterator[Any]:
        yield FakeStore()

    return create_app(Settings(api_keys=LINES), open_store)


def test_scores_need_the_scope_predict_and_health_needs_no_key(predictions: FastAPI) -> None:
    for method, url in OPEN:
        assert statuses(predictions, method, url, None) == [200] * 6, url
    for method, url in PREDICT:
        body = {"instances": [{"count": 4}]} if url == "/invocations" else TENSOR
        assert statuses(predictions, method, url, body) == [401, 401, 403, 403, 200, 200], url


@pytest.mark.parametrize("prefix", ["", "/feast"])
def test_reads_and_writes_of_feast_need_their_scopes(features: FastAPI, prefix: str) -> None:
    assert statuses(features, "GET", f"{prefix}/health", None) == [200] * 6
    assert statuses(features, "POST", f"{prefix}/get-online-features", READ) == [401, 401, 200, 403, 403, 200]
    for url in ("push", "write-to-online-store"):  # this service takes no writes: 403 for the right key, too
        answers = [
            asked(features, "POST", f"{prefix}/{url}", key, {}) for key in (None, "features:read", "features:write")
        ]
        assert [answer.status_code for answer in answers] == [401, 403, 403]
        said = [json.loads(answer.json())["message"] for answer in answers]
        assert len(set(said)) == 3


def test_each_client_reads_a_refusal_in_its_own_form(predictions: FastAPI, features: FastAPI) -> None:
    triton = asked(predictions, "POST", "/v2/models/hand_made/infer", None, TENSOR)
    mlflow = asked(predictions, "POST", "/invocations", None, {})
    feast = asked(features, "POST", "/feast/get-online-features", None, READ)
    native = asked(predictions, "GET", "/models", None, None)
    assert list(triton.json()) == ["error"]
    assert mlflow.json()["error_code"] == "UNAUTHENTICATED"
    assert json.loads(feast.json())["class"] == "FeastPermissionError"
    assert native.json()["type"] == "/problems/unauthenticated"
    assert {answer.headers["www-authenticate"] for answer in (triton, mlflow, feast, native)} == {"Bearer"}
