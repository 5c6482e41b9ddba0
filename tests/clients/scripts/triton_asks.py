"""tritonclient[http], unmodified, in its default mode and in the others: BASE [KEY]."""

import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

BASE, KEY = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else None)
HEADERS = {"X-API-Key": KEY} if KEY else {}
MODEL = "credit_default"
client = triton.InferenceServerClient(BASE.removeprefix("http://"))
ROWS = [
    {
        "nb_previous_loans": 3,
        "avg_amount_loans_previous": 116.07789731273293,
        "age": 43,
        "years_on_the_job": 1,
        "flag_own_car": 1,
    },
    {
        "nb_previous_loans": 0,
        "avg_amount_loans_previous": None,
        "age": 200,
        "years_on_the_job": None,
        "flag_own_car": 0,
    },
]


def native() -> list:
    answers = []
    for row in ROWS:
        headers = {"Content-Type": "application/json"} | HEADERS
        request = urllib.request.Request(f"{BASE}/credit_risk", json.dumps(row).encode(), headers)
        answers.append(json.load(urllib.request.urlopen(request)))
    return answers


def inputs(*, binary: bool) -> list:
    made = []
    for name in ROWS[0]:
        values = np.array([np.nan if row[name] is None else row[name] for row in ROWS], dtype=np.float64)
        one = triton.InferInput(name, [len(ROWS)], "FP64")
        one.set_data_from_numpy(values, binary_data=binary)
        made.append(one)
    return made


assert client.is_server_live(headers=dict(HEADERS))
assert client.is_server_ready(headers=dict(HEADERS))
assert client.is_model_ready(MODEL, headers=dict(HEADERS))
print("server", client.get_server_metadata(headers=HEADERS))
metadata = client.get_model_metadata(MODEL, headers=dict(HEADERS))
print("model", metadata)
print("index", client.get_model_repository_index(headers=HEADERS))
version = metadata["versions"][0]
expected = [one["probability"] for one in native()]

answer = client.infer(MODEL, inputs(binary=True), headers=dict(HEADERS))
print("default mode", {name: answer.as_numpy(name).tolist() for name in ("probability", "score", "label", "decision")})
assert answer.as_numpy("probability").tolist() == expected, "not the native numbers"
assert answer.as_numpy("score").dtype == np.int64

for said in (
    {"model_version": version},
    {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"},
    {"request_compression_algorithm": "deflate"},
    {
        "request_id": "mine",
        "timeout": 1_000_000,
        "outputs": [triton.InferRequestedOutput("probability", binary_data=False)],
    },
    {"outputs": [triton.InferRequestedOutput("probability", binary_data=True)]},
):
    for binary in (True, False):
        answer = client.infer(MODEL, inputs(binary=binary), headers=dict(HEADERS), **said)
        assert answer.as_numpy("probability").tolist() == expected, said
        if "request_id" in said:
            assert answer.get_response()["id"] == "mine"
print("versions, gzip, deflate, ids, timeouts, outputs, JSON and binary: the same numbers")

for name, asked in {
    "unknown model": lambda: client.infer("nope", inputs(binary=True), headers=dict(HEADERS)),
    "unknown version": lambda: client.infer(MODEL, inputs(binary=True), model_version="nope", headers=dict(HEADERS)),
    "no time": lambda: client.infer(MODEL, inputs(binary=True), timeout=1, headers=dict(HEADERS)),
}.items():
    try:
        asked()
    except InferenceServerException as error:
        print(name, "->", error.status(), error.message())
        assert "exception occurred in the client" not in error.message()
    else:
        raise AssertionError(name)
