"""The Open Inference Protocol V2: each form of a request, the same numbers as POST /credit_risk, and refusals."""

import asyncio
import gzip
import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgi import client_of
from both_services import prediction_app
from hand_made import FEATURE_SET, THRESHOLD, write_version

INFER = "/v2/models/hand_made/infer"
ROWS: list[dict[str, Any]] = [
    {"weight": 12.25, "count": 4, "flag": 1, "colour": "red"},
    {"weight": None, "count": 99, "flag": 0, "colour": "blau-grün"},
    {"weight": 33.25, "count": 120, "flag": None, "colour": "yellow"},
    {"weight": 1e-300, "count": None, "flag": 1, "colour": None},
]
NUMBERS = ("weight", "count", "flag")


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return write_version(tmp_path)


def ask(model_dir: Path, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    async def scenario() -> list[httpx.Response]:
        async with client_of(prediction_app(httpx.MockTransport(lambda _: httpx.Response(500)), model_dir)) as client:
            return [await client.request(method, url, **said) for method, url, said in requests]

    return asyncio.run(scenario())


def post(model_dir: Path, body: Any, url: str = INFER, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(model_dir, ("POST", url, {"content": content, "headers": named}))[0]


def tensor(name: str, data: Sequence[Any], datatype: str = "FP64", **changes: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": list(data)} | changes


def json_inputs() -> list[dict[str, Any]]:
    numbers = [tensor(name, [row[name] for row in ROWS]) for name in NUMBERS]
    return [*numbers, tensor("colour", [row["colour"] for row in ROWS], "BYTES")]


def binary_request(columns: Mapping[str, tuple[str, bytes]], rows: int, **message: Any) -> tuple[bytes, int]:
    inputs = [
        {"name": name, "shape": [rows, 1], "datatype": datatype, "parameters": {"binary_data_size": len(content)}}
        for name, (datatype, content) in columns.items()
    ]
    head = json.dumps({"inputs": inputs} | message).encode()
    return head + b"".join(content for _, content in columns.values()), len(head)


def doubles(values: Sequence[float | None]) -> tuple[str, bytes]:
    return "FP64", struct.pack(f"<{len(values)}d", *(math.nan if value is None else value for value in values))


def texts(values: Sequence[str | None]) -> tuple[str, bytes]:
    encoded = [(value or "").encode() for value in values]
    return "BYTES", b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def binary_columns() -> dict[str, tuple[str, bytes]]:
    numbers = {name: doubles([row[name] for row in ROWS]) for name in NUMBERS}
    return numbers | {"colour": texts([row["colour"] for row in ROWS])}


def native(model_dir: Path, rows: Sequence[Mapping[str, Any]] = ROWS) -> list[dict[str, Any]]:
    answers = ask(model_dir, *(("POST", "/credit_risk", {"json": row}) for row in rows))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def outputs_of(answer: httpx.Response) -> dict[str, list[Any]]:
    """The values of each output, of JSON or of bytes."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get("inference-header-content-length", len(answer.content)))
    found: dict[str, list[Any]] = {}
    start = length
    for output in json.loads(answer.content[:length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        content = answer.content[start : start + (size or 0)]
        start += size or 0
        found[output["name"]] = output["data"] if size is None else _decoded(output, content)
    assert start == len(answer.content)
    return found


def _decoded(output: Mapping[str, Any], content: bytes) -> list[Any]:
    if output["datatype"] != "BYTES":
        return list(struct.unpack(f"<{output['shape'][0]}{'d' if output['datatype'] == 'FP64' else 'q'}", content))
    values = []
    while content:
        (length,) = struct.unpack_from("<I", content)
        values.append(content[4 : 4 + length].decode())
        content = content[4 + length :]
    return values


def assert_as_native(answer: httpx.Response, model_dir: Path) -> None:
    found, expected = outputs_of(answer), native(model_dir)
    for name in ("probability", "score", "label", "decision"):
        assert found[name] == [one[name] for one in expected]
    assert set(found["label"]) == {0, 1}


def test_json_and_binary_tensors_give_the_numbers_of_the_native_route_to_the_bit(model_dir: Path) -> None:
    assert_as_native(post(model_dir, {"inputs": json_inputs()}), model_dir)
    content, length = binary_request(binary_columns(), len(ROWS), parameters={"binary_data_output": True})
    answer = post(model_dir, content, inference_header_content_length=str(length))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert_as_native(answer, model_dir)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_body_may_be_compressed_and_its_header_counts_what_it_was(
    model_dir: Path, encoding: str, compress: Any
) -> None:
    content, length = binary_request(binary_columns(), len(ROWS))
    answer = post(model_dir, compress(content), content_encoding=encoding, inference_header_content_length=str(length))
    assert_as_native(answer, model_dir)


def test_every_number_type_is_taken_and_a_missing_input_is_missing(model_dir: Path) -> None:
    columns = {
        "count": ("INT32", struct.pack("<2i", 4, 99)), "flag": ("BOOL", b"\x01\x00"), "weight": ("FP32", struct.pack("<2f", 12.25, math.nan))
    }  # fmt: skip
    content, length = binary_request(columns, 2)
    found = outputs_of(post(model_dir, content, inference_header_content_length=str(length)))
    rows: list[dict[str, Any]] = [{"weight": 12.25, "count": 4, "flag": 1}, {"count": 99, "flag": 0}]
    assert found["probability"] == [one["probability"] for one in native(model_dir, rows)]
    inputs = [tensor("count", [[4], [99]], "INT64", shape=[2, 1]), tensor("flag", [True, False], "BOOL")]
    found = outputs_of(post(model_dir, {"inputs": inputs}))
    rows = [{"count": 4, "flag": 1}, {"count": 99, "flag": 0}]
    assert found["probability"] == [one["probability"] for one in native(model_dir, rows)]


def test_nan_in_json_is_missing(model_dir: Path) -> None:
    body = b'{"inputs":[{"name":"weight","shape":[2],"datatype":"FP64","data":[NaN,null]}]}'
    [expected] = native(model_dir, [{}])
    assert outputs_of(post(model_dir, body))["probability"] == [expected["probability"]] * 2


def test_an_id_is_echoed_or_made(model_dir: Path) -> None:
    assert post(model_dir, {"id": "mine", "inputs": json_inputs()}).json()["id"] == "mine"
    answer = post(model_dir, {"inputs": json_inputs()})
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_outputs_are_those_that_are_asked_for_each_in_its_form(model_dir: Path) -> None:
    outputs = [{"name": "label"}, {"name": "probability", "parameters": {"binary_data": True}}]
    answer = post(model_dir, {"inputs": json_inputs(), "outputs": outputs})
    head = json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])
    assert [output["name"] for output in head["outputs"]] == ["label", "probability"]
    assert outputs_of(answer)["probability"] == [one["probability"] for one in native(model_dir)]


def test_a_timeout_in_microseconds_is_the_deadline(model_dir: Path) -> None:
    answer = post(model_dir, {"inputs": json_inputs(), "parameters": {"timeout": 1}})
    assert (answer.status_code, list(answer.json())) == (504, ["error"])
    assert post(model_dir, {"inputs": json_inputs(), "parameters": {"timeout": 1_000_000}}).status_code == 200


def test_a_model_is_named_like_its_feature_set_and_describes_itself(model_dir: Path) -> None:
    paths = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/hand_made", "/v2/models/hand_made/versions/first",
             "/v2/models/hand_made/ready", "/v2/models/hand_made/versions/first/ready", "/v2/models"]  # fmt: skip
    server, live, ready, model, version, *readies, names = ask(model_dir, *(("GET", path, {}) for path in paths))
    assert "binary_tensor_data" in server.json()["extensions"]
    assert live.json()["live"] is ready.json()["ready"] is True
    assert model.json() == version.json()
    assert [one["name"] for one in model.json()["inputs"]] == [*NUMBERS, "colour"]
    assert [one["datatype"] for one in model.json()["inputs"]] == ["FP64", "FP64", "FP64", "BYTES"]
    assert [one.json() for one in readies] == [{"name": "hand_made", "ready": True}] * 2
    assert names.json() == {"models": ["hand_made"]}
    [index] = ask(model_dir, ("POST", "/v2/repository/index", {"content": b""}))
    assert index.json() == [{"name": "hand_made", "version": "first", "state": "READY", "reason": ""}]


def test_without_a_model_nothing_is_ready_and_the_server_lives(tmp_path: Path) -> None:
    live, ready, model = ask(
        tmp_path, *(("GET", f"/v2/{path}", {}) for path in ("health/live", "health/ready", "models/x"))
    )
    assert (live.status_code, ready.status_code, model.status_code) == (200, 503, 503)
    assert model.headers["retry-after"]
    assert list(model.json()) == ["error"]


@pytest.mark.parametrize(
    "url",
    ["/v2/models/other/infer", "/v2/models/hand_made/versions/2/infer", "/v2/nothing", "/v2/"],
)
def test_what_is_not_there_is_404_in_the_words_of_the_protocol(model_dir: Path, url: str) -> None:
    answer = post(model_dir, {"inputs": json_inputs()}, url)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert list(answer.json()) == ["error"]


MANY = tensor("count", [1] * 1001, "INT64")
BAD_JSON: dict[str, Any] = {
    "no JSON": b"{",
    "nothing": b"",
    "deep": b'{"inputs":' + b"[" * 100_000,
    "a list": [],
    "no inputs": {"inputs": []},
    "twice": {"inputs": [tensor("count", [1]), tensor("count", [1])]},
    "no rows": {"inputs": [tensor("count", [])]},
    "too many rows": {"inputs": [MANY]},
    "a huge shape": {"inputs": [tensor("count", [1], shape=[10**18])]},
    "a negative shape": {"inputs": [tensor("count", [1], shape=[-1])]},
    "another shape": {"inputs": [tensor("count", [1, 2], shape=[1, 2])]},
    "three dimensions": {"inputs": [tensor("count", [1], shape=[1, 1, 1])]},
    "different lengths": {"inputs": [tensor("count", [1]), tensor("flag", [1, 0])]},
    "fewer elements": {"inputs": [tensor("count", [1], shape=[2])]},
    "a text for a number": {"inputs": [tensor("count", ["s3cret"])]},
    "texts for numbers": {"inputs": [tensor("count", ["s3cret"], "BYTES")]},
    "a number for a category": {"inputs": [tensor("colour", [1])]},
    "a fraction for a whole number": {"inputs": [tensor("count", [1.5])]},
    "a fraction as INT64": {"inputs": [tensor("count", [1.5], "INT64")]},
    "true for a number": {"inputs": [tensor("count", [True])]},
    "2 for BOOL": {"inputs": [tensor("flag", [2], "BOOL")]},
    "out of INT32": {"inputs": [tensor("count", [2**31], "INT32")]},
    "out of INT64": {"inputs": [tensor("count", [2**63], "UINT64")]},
    "infinite": b'{"inputs":[{"name":"weight","shape":[1],"datatype":"FP64","data":[Infinity]}]}',
    "overflow": b'{"inputs":[{"name":"count","shape":[1],"datatype":"FP64","data":[1e999]}]}',
    "a list in a list": {"inputs": [tensor("count", [[[1]]])]},
    "no data": {"inputs": [{"name": "count", "shape": [1], "datatype": "FP64"}]},
    "both": {"inputs": [tensor("count", [1], parameters={"binary_data_size": 8})]},
    "bytes that are not there": {
        "inputs": [{"name": "count", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}]
    },
    "a negative size": {
        "inputs": [{"name": "count", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": -8}}]
    },
    "an unknown datatype": {"inputs": [tensor("count", [1], "FP128")]},
    "an unknown input": {"inputs": [tensor("s3cret", [1])]},
    "a long text": {"inputs": [tensor("colour", ["x" * 4001], "BYTES")]},
    "a long id": {"id": "x" * 257, "inputs": [tensor("count", [1])]},
    "a number as id": {"id": 1, "inputs": [tensor("count", [1])]},
    "an unknown output": {"inputs": [tensor("count", [1])], "outputs": [{"name": "s3cret"}]},
    "an output twice": {"inputs": [tensor("count", [1])], "outputs": [{"name": "label"}] * 2},
    "classes": {"inputs": [tensor("count", [1])], "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
    "a timeout in words": {"inputs": [tensor("count", [1])], "parameters": {"timeout": "s3cret"}},
    "a negative timeout": {"inputs": [tensor("count", [1])], "parameters": {"timeout": -1}},
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_400_and_never_echoed(model_dir: Path, body: Any) -> None:
    assert_refused(post(model_dir, body))


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json"), answer.text
    assert list(answer.json()) == ["error"]
    assert "s3cret" not in answer.text


GOOD, LENGTH = binary_request(binary_columns(), len(ROWS))
LONG = struct.pack("<I", 2**32 - 1) + b"x"


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (GOOD[:-1], LENGTH),
        (GOOD + b"x", LENGTH),
        (GOOD, LENGTH - 1),
        (GOOD, LENGTH + 1),
        (GOOD, 0),
        (GOOD, "-1"),
        (GOOD, "1" * 5000),
        (GOOD, 10**9),
        (GOOD, "\u00b2"),
        *(
            binary_request({"colour": ("BYTES", content)}, 1)
            for content in (b"", b"\x01\x00\x00", LONG, struct.pack("<I", 2) + b"x", struct.pack("<I", 1) + b"\xff",
                            struct.pack("<I", 4001) + b"x" * 4001, texts(["red", "red"])[1])
        ),
        binary_request({"count": ("FP64", b"1234567")}, 1),
        binary_request({"flag": ("BOOL", b"\x02")}, 1),
        binary_request({"count": ("FP64", struct.pack("<d", math.inf))}, 1),
        binary_request({"weight": ("FP64", struct.pack("<d", math.inf))}, 1),
    ],
)  # fmt: skip
def test_bad_bytes_are_400(model_dir: Path, body: bytes, length: object) -> None:
    headers = {"Inference-Header-Content-Length": str(length).encode("latin-1")}
    assert_refused(ask(model_dir, ("POST", INFER, {"content": body, "headers": headers}))[0])


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(GOOD)[:-1], "gzip"),
        (gzip.compress(GOOD) + b"x", "gzip"),
        (zlib.compress(GOOD), "gzip"),
        (gzip.compress(GOOD), "deflate"),
        (GOOD, "gzip"),
        (gzip.compress(GOOD), "gzip, gzip"),
        (GOOD, "br"),
    ],
)
def test_what_is_not_compressed_as_it_says_is_400(model_dir: Path, body: bytes, encoding: str) -> None:
    assert_refused(post(model_dir, body, content_encoding=encoding, inference_header_content_length=str(LENGTH)))


def test_a_bomb_is_413_before_it_is_large(model_dir: Path) -> None:
    answer = post(model_dir, gzip.compress(b" " * 200_000_000), content_encoding="gzip")
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


def test_what_the_checks_find_is_treated_as_by_the_native_route(model_dir: Path) -> None:
    [failed] = native(model_dir, [{"count": 120}])
    assert failed["qa_failure_cases"] == ["count"]
    found = outputs_of(post(model_dir, {"inputs": [tensor("count", [120], "INT64")]}))
    assert found["probability"] == [failed["probability"]]
    assert (found["label"][0] == 1) == (failed["probability"] >= THRESHOLD)


def test_other_features_of_the_set_are_ignored(model_dir: Path) -> None:
    assert FEATURE_SET.by_name["sex"].is_input is False
    inputs = [tensor("count", [5]), tensor("sex", [1])]
    assert outputs_of(post(model_dir, {"inputs": inputs})) == outputs_of(post(model_dir, {"inputs": inputs[:1]}))
