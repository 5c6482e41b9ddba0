"""MLflow's scoring protocol: each form of a table, the same numbers as POST /credit_risk, and refusals in its words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgi import client_of
from both_services import prediction_app
from hand_made import write_version

ROWS: list[dict[str, Any]] = [
    {"weight": 12.25, "count": 4, "flag": 1, "colour": "red"},
    {"weight": None, "count": 99, "flag": 0, "colour": "blau-grün"},
    {"weight": 33.25, "count": None, "flag": None, "colour": None},
]
COLUMNS = ["weight", "count", "flag", "colour"]
CSV = 'weight,count,flag,colour\r\n12.25,4,1,red\r\n,99,0,"blau-grün"\r\n33.25,,,\r\n'


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return write_version(tmp_path)


def ask(model_dir: Path, method: str, url: str, **said: Any) -> httpx.Response:
    async def scenario() -> httpx.Response:
        async with client_of(prediction_app(httpx.MockTransport(lambda _: httpx.Response(500)), model_dir)) as client:
            return await client.request(method, url, **said)

    return asyncio.run(scenario())


def invoke(model_dir: Path, body: Any, content_type: str = "application/json") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(model_dir, "POST", "/invocations", content=content, headers={"Content-Type": content_type})


def expected(model_dir: Path) -> list[dict[str, Any]]:
    answers = [ask(model_dir, "POST", "/credit_risk", json=row).json() for row in ROWS]
    return [{name: answer[name] for name in ("probability", "score", "label", "decision")} for answer in answers]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": COLUMNS, "index": [0, 1, 2], "data": [list(row.values()) for row in ROWS]}},
        {"dataframe_records": ROWS},
        {"instances": ROWS, "params": {"any": 1}},
        {"inputs": {name: [row[name] for row in ROWS] for name in COLUMNS}},
        {"dataframe_records": [row | {"count": row["count"] and float(row["count"])} for row in ROWS]},
        b'{"dataframe_records": [{"weight": 12.25, "count": 4, "flag": true, "colour": "red"}, '
        b'{"weight": NaN, "count": 99, "flag": false, "colour": "blau-gr\xc3\xbcn"}, {"weight": 33.25}]}',
    ],
    ids=["split", "records", "instances", "inputs", "floats", "NaN and left out"],
)
def test_every_form_gives_the_numbers_of_the_native_route_to_the_bit(model_dir: Path, body: Any) -> None:
    answer = invoke(model_dir, body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": expected(model_dir)}


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8"])
def test_csv_gives_them_too(model_dir: Path, content_type: str) -> None:
    assert invoke(model_dir, CSV.encode(), content_type).json() == {"predictions": expected(model_dir)}


def test_ping_health_and_version_answer(model_dir: Path, tmp_path: Path) -> None:
    answers = [ask(model_dir, "GET", path) for path in ("/ping", "/health")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"\n")] * 2
    assert ask(model_dir, "GET", "/version").text == "1.0.0"
    (tmp_path / "champion").unlink()
    away = ask(tmp_path, "GET", "/ping")
    assert (away.status_code, away.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "application/json"),
    "nothing": (b"", "application/json"),
    "a list": ([], "application/json"),
    "no form": ({}, "application/json"),
    "two forms": ({"instances": ROWS, "dataframe_records": ROWS}, "application/json"),
    "a null form": ({"instances": None}, "application/json"),
    "no rows": ({"instances": []}, "application/json"),
    "too many rows": ({"instances": [{"count": 1}] * 1001}, "application/json"),
    "no columns": ({"inputs": {}}, "application/json"),
    "columns of two lengths": ({"inputs": {"count": [1], "flag": []}}, "application/json"),
    "a short row": ({"dataframe_split": {"columns": ["count", "flag"], "data": [[1]]}}, "application/json"),
    "a column twice": ({"dataframe_split": {"columns": ["count", "count"], "data": [[1, 1]]}}, "application/json"),
    "an unknown column": ({"instances": [{"s3cret": 1}]}, "application/json"),
    "a list as value": ({"instances": [{"count": [1]}]}, "application/json"),
    "a text for a number": ({"instances": [{"count": "s3cret"}]}, "application/json"),
    "a number for a category": ({"instances": [{"colour": 1}]}, "application/json"),
    "a fraction for a whole number": ({"instances": [{"count": 1.5}]}, "application/json"),
    "a large whole number": ({"instances": [{"weight": 10**400}]}, "application/json"),
    "infinite": (b'{"instances": [{"weight": Infinity}]}', "application/json"),
    "values without names": ({"instances": [[1, 2]]}, "application/json"),
    "an empty CSV": (b"", "text/csv"),
    "a CSV without rows": (b"count\n", "text/csv"),
    "a CSV of other bytes": (b"count\n\xff", "text/csv"),
    "a CSV with an open quote": (b'count\n"1', "text/csv"),
    "a CSV with a short row": (b"count,flag\n1", "text/csv"),
    "a CSV with a text": (b"count\ns3cret", "text/csv"),
    "a CSV with an infinite number": (b"weight\ninf", "text/csv"),
    "a CSV with many digits": (b"weight\n" + b"9" * 5000, "text/csv"),
    "XML": (b"<s3cret/>", "application/xml"),
}


@pytest.mark.parametrize(("body", "content_type"), BAD.values(), ids=BAD)
def test_bad_input_is_400_in_the_words_of_mlflow_and_never_echoed(
    model_dir: Path, body: Any, content_type: str
) -> None:
    answer = invoke(model_dir, body, content_type)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json"), answer.text
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert list(answer.json()) == ["error_code", "message"]
    assert "s3cret" not in answer.text
