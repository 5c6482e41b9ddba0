"""Both applications, whole but for store and network: do they keep the contract, and agree with each other?"""

import asyncio
import gzip
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

import credit_default
from asgi import client_of, transport_to
from both_services import CREDIT_DEFAULT, FakeStore, assert_problem, encoded, feature_app, prediction_app
from credit_default import ROW
from prediction_service.train import main as train
from registries import write_training_rows
from service_kit.request.ask import Ask
from shared_schemas import CreditRisk, CreditRiskBatch, FeatureBatch


def asked(app: FastAPI, method: str, url: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(app) as client:
            return await client.request(method, url, **options)

    return asyncio.run(ask())


def asked_through_both(store: FakeStore, model_dir: Path, method: str, url: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with (
            transport_to(feature_app(store)) as transport,
            client_of(prediction_app(transport, model_dir)) as client,
        ):
            return await client.request(method, url, **options)

    return asyncio.run(ask())


def test_the_bytes_of_a_vector_are_those_of_the_schema() -> None:
    answer = asked(feature_app(FakeStore([ROW])), "GET", "/online_feature_store/client_id=5")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == ROW | {"event_timestamp": "2020-04-11T00:00:00Z"}
    assert list(answer.json()) == list(ROW)
    assert answer.headers["feature-set"] == f"credit_default; digest={CREDIT_DEFAULT.digest}"


def test_a_batch_keeps_the_order_and_repeats_what_was_asked_twice() -> None:
    store = FakeStore([ROW, ROW | {"client_id": 6}])
    answer = asked(feature_app(store), "POST", "/online_feature_store/batch", json={"client_ids": [6, 9, 5, 6]})
    batch = FeatureBatch.model_validate_json(answer.content)
    assert [vector.client_id for vector in batch.features] == [6, 5, 6]
    assert batch.not_found == [9]


def test_an_empty_batch_is_answered() -> None:
    answer = asked(feature_app(FakeStore([])), "POST", "/online_feature_store/batch", json={"client_ids": []})
    assert answer.json() == {"features": [], "not_found": []}


BAD_IDS = ["abc", "", "0", "-1", "9223372036854775808", "1.5", "%20", "5%20", "5/6", "5%2F6", "٥", "0x5", "5;6"]


@pytest.mark.parametrize("client_id", BAD_IDS)
@pytest.mark.parametrize("route", ["/online_feature_store", "/credit_risk"])
def test_what_is_no_client_id_is_an_invalid_request(model_dir: Path, route: str, client_id: str) -> None:
    store = FakeStore([ROW])
    url = f"{route}/client_id={client_id}"
    if route == "/credit_risk":
        answer = asked_through_both(store, model_dir, "GET", url)
    else:
        answer = asked(feature_app(store), "GET", url)
    problem = assert_problem(answer, 422, "invalid-request")
    assert problem.errors is not None
    assert problem.errors[0].pointer == "path/client_id"


NO_INSTANTS = [
    "", "6632152556117", "1586563200", "2020-04-11", "2020-04-11T00:00:00", "2021-02-30T00:00:00Z", "0001-01-01T00:00:00+01:00",
    "2020-04-11T24:00:01Z", "now",
]  # fmt: skip


@pytest.mark.parametrize("as_of", [*NO_INSTANTS, 1586563200, 1586563200.5, True, []], ids=repr)
def test_what_is_no_instant_with_its_zone_is_an_invalid_request(as_of: object) -> None:
    app = feature_app(FakeStore([ROW]))
    if isinstance(as_of, str):
        answer = asked(app, "GET", "/online_feature_store/client_id=5", params={"as_of": as_of})
        problem = assert_problem(answer, 422, "invalid-request")
        assert problem.errors
        assert problem.errors[0].pointer == "query/as_of"
    body = {"client_ids": [5], "as_of": as_of}
    problem = assert_problem(asked(app, "POST", "/online_feature_store/batch", json=body), 422, "invalid-request")
    assert problem.errors
    assert problem.errors[0].pointer == "#/as_of"


def test_a_key_of_the_query_is_given_once() -> None:
    app, address = feature_app(FakeStore([ROW])), "/online_feature_store/client_id=5"
    again = "as_of=2021-01-01T00:00:00Z&as_of=2021-01-01T00:00:00Z"
    [found] = assert_problem(asked(app, "GET", f"{address}?{again}"), 422, "invalid-request").errors or []
    assert (found.pointer, found.detail) == ("query/as_of", "It is given more than once: give it once")


@pytest.mark.parametrize(
    ("method", "address", "hint"),
    [
        ("GET", "/online_feature_store/client_id=5?asof=2020-01-01T00:00:00Z", "; did you mean as_of?"),
        ("GET", "/online_feature_store/client_id=5?as_of=2020-05-01T00:00:00Z&AS_OF=", "; did you mean as_of?"),
        ("GET", "/online_feature_store?secret=1", "; the keys are after, limit, features"),
        ("GET", "/feature_definitions?secret=1", ""),
        ("POST", "/online_feature_store/batch?secret=1", ""),
    ],
)
def test_a_key_of_the_query_that_is_not_known_is_refused_and_not_repeated(method: str, address: str, hint: str) -> None:
    app = feature_app(FakeStore([ROW]))
    [found] = assert_problem(asked(app, method, address, json={"client_ids": [5]}), 422, "invalid-request").errors or []
    assert (found.pointer, found.detail) == ("query", f"There is a key that is not known here{hint}")


def test_clients_of_foreign_protocols_may_add_keys_to_the_query() -> None:
    assert asked(feature_app(FakeStore([ROW])), "GET", "/feast/health?later=1").status_code == 200


def test_a_plus_that_was_not_escaped_is_named() -> None:
    answer = asked(
        feature_app(FakeStore([ROW])), "GET", "/online_feature_store/client_id=5?as_of=2020-04-11T00:00:00+02:00"
    )
    [found] = assert_problem(answer, 422, "invalid-request").errors or []
    assert found.detail.endswith("(the + of a zone is %2B in an address)")


def test_a_compressed_body_is_named() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(b'{"client_ids":[5]}')
    answer = asked(feature_app(FakeStore([ROW])), "POST", "/online_feature_store/batch", content=body, headers=headers)
    [found] = assert_problem(answer, 422, "invalid-request").errors or []
    assert found.detail.startswith("The body is compressed")


BAD_BODIES = [
    "", "nonsense", "[]", "null", '{"client_ids": "5"}', '{"client_ids": [5', '{"client_ids": ["5"]}', '{"client_ids": [5.0]}',
    '{"client_ids": [NaN]}', '{"client_ids": [1e400]}', '{"client_ids": [true]}', '{"client_ids": [0]}',
    '{"client_ids": [9223372036854775808]}', '{}',
    json.dumps({"client_ids": [5] * 1001}),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("url", ["/online_feature_store/batch", "/credit_risk/batch"])
def test_a_body_that_is_no_batch_is_an_invalid_request_and_is_not_repeated(
    model_dir: Path, url: str, body: str
) -> None:
    options = {"content": body, "headers": {"content-type": "application/json"}}
    if url.startswith("/credit"):
        answer = asked_through_both(FakeStore([ROW]), model_dir, "POST", url, **options)
    else:
        answer = asked(feature_app(FakeStore([ROW])), "POST", url, **options)
    problem = assert_problem(answer, 422, "invalid-request")
    assert problem.errors
    assert "secret-key" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        '{"age": "43"}', '{"age": 43.5}', '{"age": true}', '{"avg_amount_loans_previous": NaN}', '{"salary": 1}',
        '{"avg_amount_loans_previous": 1e400}', '{"age": 99999999999999999999}', "[1]",
    ],
)  # fmt: skip
def test_values_of_other_types_are_an_invalid_request(model_dir: Path, body: str) -> None:
    options = {"content": body, "headers": {"content-type": "application/json"}}
    assert_problem(
        asked_through_both(FakeStore([]), model_dir, "POST", "/credit_risk", **options), 422, "invalid-request"
    )


def test_a_body_that_is_too_long_is_not_read() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"1" * 10_000

    app = feature_app(FakeStore([]))
    for content in (b"[" * 300_000, endless()):
        options = {"content": content, "headers": {"content-type": "application/json"}}
        assert_problem(asked(app, "POST", "/online_feature_store/batch", **options), 413, "content-too-large")


def test_no_such_client_is_told_apart_from_an_outage(model_dir: Path) -> None:
    store = FakeStore([ROW])
    assert_problem(asked(feature_app(store), "GET", "/online_feature_store/client_id=4"), 404, "client-not-found")
    assert_problem(asked_through_both(store, model_dir, "GET", "/credit_risk/client_id=4"), 404, "client-not-found")
    store.away = True
    assert_problem(asked(feature_app(store), "GET", "/online_feature_store/client_id=4"), 503, "store-unavailable")
    assert_problem(asked_through_both(store, model_dir, "GET", "/credit_risk/client_id=4"), 503, "store-unavailable")
    store.away = False
    assert asked_through_both(store, model_dir, "GET", "/credit_risk/client_id=5").status_code == 200


def test_a_prediction_has_every_part_of_its_contract(model_dir: Path) -> None:
    answer = asked_through_both(FakeStore([ROW]), model_dir, "GET", "/credit_risk/client_id=5")
    risk = CreditRisk.model_validate_json(answer.content)
    unexplained = {"contributions", "reason_codes", "base_log_odds", "explanation_method", "reason_texts_version"}
    assert list(answer.json()) == [name for name in CreditRisk.model_fields if name not in unexplained]
    assert risk.client_id == 5
    assert 0 < risk.probability < 1
    assert risk.score == int(risk.probability * 1000)
    assert risk.label == (risk.probability >= risk.threshold)
    assert risk.input_variables == {name: ROW[name] for name in risk.input_variables}
    assert risk.qa_failure_cases is None
    assert risk.imputed is not None
    assert risk.imputed["years_on_the_job"].model_dump() == {"rule": "missing_cell", "value": None}
    assert risk.model_version == "first"
    assert answer.json()["event_timestamp"] == "2020-04-11T00:00:00Z"


def test_a_stored_value_out_of_range_is_reported_as_stored_and_counts_as_missing(model_dir: Path) -> None:
    bad, missing = ROW | {"age": 150}, ROW | {"client_id": 6, "age": None}
    store = FakeStore([bad, missing])
    answer = asked_through_both(store, model_dir, "POST", "/credit_risk/batch", json={"client_ids": [5, 6]})
    failed, absent = CreditRiskBatch.model_validate_json(answer.content).predictions
    assert failed.input_variables["age"] == 150
    assert failed.qa_failure_cases == ["age"]
    assert absent.qa_failure_cases is None
    assert failed.imputed == absent.imputed
    assert failed.probability == absent.probability


def test_values_alone_score_as_the_same_values_of_a_client(model_dir: Path) -> None:
    values = {name: ROW[name] for name in ("age", "nb_previous_loans", "avg_amount_loans_previous", "flag_own_car")}
    alone = asked_through_both(FakeStore([]), model_dir, "POST", "/credit_risk", json=values).json()
    of_client = asked_through_both(FakeStore([ROW]), model_dir, "GET", "/credit_risk/client_id=5").json()
    of_values = {name: value for name, value in of_client.items() if name not in ("decision_id", "commitment")}
    assert alone == of_values | {"client_id": None, "event_timestamp": None}


def test_a_prediction_batch_keeps_the_order_and_names_the_unknown(model_dir: Path) -> None:
    store = FakeStore([ROW, ROW | {"client_id": 6, "age": 60}])
    body = {"client_ids": [6, 9, 5, 6]}
    batch = CreditRiskBatch.model_validate_json(
        asked_through_both(store, model_dir, "POST", "/credit_risk/batch", json=body).content
    )
    assert [prediction.client_id for prediction in batch.predictions] == [6, 5, 6]
    assert batch.not_found == [9]
    one = asked_through_both(store, model_dir, "GET", "/credit_risk/client_id=6").json()
    assert batch.predictions[0] == CreditRisk.model_validate(one)


async def _slow(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(5)
    raise AssertionError


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def _answer(status: int = 200, content: bytes = b"{}") -> Any:
    return lambda _: httpx.Response(status, content=content)


VECTOR = encoded(ROW).decode()
FAULTS: dict[str, tuple[Any, int, str]] = {
    "refused": (_refuse, 503, "feature-service-unavailable"),
    "slow": (_slow, 504, "feature-service-timeout"),
    "no JSON": (_answer(content=b"<html>"), 502, "feature-service-broken"),
    "another shape": (_answer(content=b'{"features": {}}'), 502, "feature-service-broken"),
    "a value missing": (_answer(content=b'{"features": [{"client_id": 5}], "not_found": []}'), 502, "feature-service-broken"),
    "nobody": (_answer(content=b'{"features": [], "not_found": []}'), 502, "feature-service-broken"),
    "another client": (
        _answer(content=f'{{"features": [{VECTOR}], "not_found": []}}'.replace(":5,", ":6,", 1).encode()),
        502, "feature-service-broken",
    ),
    "both at once": (_answer(content=f'{{"features": [{VECTOR}], "not_found": [5]}}'.encode()), 502, "feature-service-broken"),
    "a bare 404": (_answer(404), 502, "feature-service-broken"),
    "a bare 500": (_answer(500, b"oops"), 502, "feature-service-broken"),
    "a gateway's 503": (_answer(503, b"<html>"), 503, "feature-service-unavailable"),
    "store away": (_answer(503, b'{"type": "/problems/store-unavailable"}'), 503, "store-unavailable"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_way_in_which_the_feature_service_can_fail_has_its_answer(model_dir: Path, fault: str) -> None:
    handler, status, kind = FAULTS[fault]
    app = prediction_app(httpx.MockTransport(handler), model_dir)
    assert_problem(asked(app, "GET", "/credit_risk/client_id=5"), status, kind)


def test_an_answer_of_a_newer_feature_service_is_understood(model_dir: Path) -> None:
    newer = f'{{"features": [{VECTOR[:-1]}, "new_feature": 1}}], "not_found": [], "page": 1}}'
    app = prediction_app(httpx.MockTransport(_answer(content=newer.encode())), model_dir)
    assert asked(app, "GET", "/credit_risk/client_id=5").status_code == 200


@pytest.mark.parametrize("value", ['"old"', "43.5", "[1]", "true"])
def test_a_stored_value_of_another_type_fails_its_check_and_not_the_request(model_dir: Path, value: str) -> None:
    odd = VECTOR.replace('"age":33', f'"age":{value}')
    app = prediction_app(
        httpx.MockTransport(_answer(content=f'{{"features":[{odd}],"not_found":[]}}'.encode())), model_dir
    )
    answer = asked(app, "GET", "/credit_risk/client_id=5").json()
    assert answer["qa_failure_cases"] == ["age"]
    assert answer["input_variables"]["age"] == json.loads(value)


def test_a_request_id_is_passed_on_and_answered(model_dir: Path) -> None:
    seen = []

    def remember(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-request-id"])
        return httpx.Response(200, content=f'{{"features": [{VECTOR}], "not_found": []}}'.encode())

    app = prediction_app(httpx.MockTransport(remember), model_dir)
    answer = asked(app, "GET", "/credit_risk/client_id=5", headers={"X-Request-ID": "audit-7"})
    assert seen == [answer.headers["x-request-id"]] == ["audit-7"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'quote"', "ключ".encode()])
def test_a_request_id_that_could_harm_a_log_is_replaced(given: str | bytes) -> None:
    answer = asked(feature_app(FakeStore([])), "GET", "/health/live", headers={"X-Request-ID": given})
    UUID(answer.headers["x-request-id"])


def test_without_a_model_the_service_lives_but_is_not_ready(tmp_path: Path) -> None:
    app = prediction_app(httpx.MockTransport(_answer()), tmp_path)
    assert asked(app, "GET", "/health/live").status_code == 200
    assert_problem(asked(app, "GET", "/health/ready"), 503, "model-unavailable")
    assert_problem(asked(app, "POST", "/credit_risk", json={}), 503, "model-unavailable")


def both(model_dir: Path) -> list[FastAPI]:
    return [feature_app(FakeStore([ROW])), prediction_app(httpx.MockTransport(_refuse), model_dir)]


def test_readiness_is_about_a_services_own_resources(model_dir: Path) -> None:
    features, predictions = both(model_dir)
    assert asked(features, "GET", "/health/ready").json() == {"status": "ready"}
    ready = {"status": "ready", "decision_log": "off", "policy": "default-1"}
    assert asked(predictions, "GET", "/health/ready").json() == ready
    store = FakeStore([])
    store.away = True
    assert_problem(asked(feature_app(store), "GET", "/health/ready"), 503, "store-unavailable")


def test_unknown_addresses_and_methods_are_problems_too(model_dir: Path) -> None:
    for app in both(model_dir):
        assert_problem(asked(app, "GET", "/nothing"), 404, "not-found")
        answer = asked(app, "PUT", "/health/live")
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET"


def test_metrics_name_routes_and_never_clients(model_dir: Path) -> None:
    async def scenario() -> list[httpx.Response]:
        app = feature_app(FakeStore([ROW | {"client_id": 987_654_321}]))
        async with client_of(app) as client:
            await client.get("/online_feature_store/client_id=987654321")
            await client.get("/online_feature_store/client_id=987654322")
            await client.request("BREW", "/online_feature_store/client_id=987654321")
            openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
            return [await client.get("/metrics"), await client.get("/metrics", headers=openmetrics)]

    plain, openmetrics = asyncio.run(scenario())
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
    for code in ("200", "404"):
        labels = f'http_request_method="GET",http_response_status_code="{code}",http_route="/online_feature_store/client_id={{client_id}}"'
        assert f"http_server_request_duration_seconds_count{{{labels}}} 1.0" in plain.text
    assert "98765432" not in plain.text
    assert "BREW" not in plain.text


def test_the_documentation_needs_nothing_from_elsewhere(model_dir: Path) -> None:
    for app in both(model_dir):
        page = asked(app, "GET", "/docs").text
        assert "//" not in page.replace("<!doctype html>", "")
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
            assert asked(app, "GET", f"/docs/assets/{asset}").status_code == 200
        assert "openapi.json" in asked(app, "GET", "/docs/start.js").text


def test_the_openapi_documents_hold_the_routes_their_bodies_and_their_problems(model_dir: Path) -> None:
    features, predictions = (asked(app, "GET", "/openapi.json").json() for app in both(model_dir))
    vector = features["paths"]["/online_feature_store/client_id={client_id}"]["get"]["responses"]
    assert vector["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/FeatureVector"}
    assert {"404", "422", "503"} <= vector.keys()
    risk = predictions["paths"]["/credit_risk/client_id={client_id}"]["get"]["responses"]
    assert risk["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/CreditRisk"}
    assert {"404", "422", "502", "503", "504"} <= risk.keys()
    for document in (features, predictions):
        text = json.dumps(document)
        assert "HTTPValidationError" not in text
        for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
            assert name in document["components"]["schemas"]


def test_the_definitions_are_served() -> None:
    answer = asked(feature_app(FakeStore([])), "GET", "/feature_definitions")
    definitions = answer.json()
    assert (definitions["name"], definitions["digest"]) == ("credit_default", CREDIT_DEFAULT.digest)
    assert [feature["name"] for feature in definitions["features"]] == [
        feature.name for feature in CREDIT_DEFAULT.features
    ]
    age = definitions["features"][2]
    assert (age["type"], age["exclusive_minimum"], age["maximum"]) == ("integer", 0, 100)
    for known in (f'"{CREDIT_DEFAULT.digest}"', f'"other", W/"{CREDIT_DEFAULT.digest}"', "*"):
        unchanged = asked(feature_app(FakeStore([])), "GET", "/feature_definitions", headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == answer.headers["etag"] == f'"{CREDIT_DEFAULT.digest}"'
    changed = asked(feature_app(FakeStore([])), "GET", "/feature_definitions", headers={"If-None-Match": '"other"'})
    assert changed.content == answer.content


def test_an_unforeseen_failure_is_a_problem_that_tells_nothing() -> None:
    class Broken(FakeStore):
        async def ping(self, ask: Ask[Any]) -> None:
            raise RuntimeError("secret detail")

    answer = asked(feature_app(Broken([ROW])), "GET", "/online_feature_store/client_id=5")
    assert_problem(answer, 500, "internal-error")
    assert "secret" not in answer.text


LANES = [
    ("GET", "/online_feature_store/client_id=5", None),
    ("GET", "/online_feature_store/client_id=4", None),
    ("GET", "/online_feature_store/client_id=5?as_of=2020-05-01T00:00:00Z", None),
    ("GET", "/online_feature_store/client_id=5?as_of=2020-01-01T00:00:00Z", None),
    ("POST", "/online_feature_store/batch", b'{"client_ids": [5, 9]}'),
    ("POST", "/online_feature_store/batch", b'{"client_ids": [5], "as_of": "2020-05-01T00:00:00+02:00"}'),
    ("POST", "/online_feature_store/batch", json.dumps({"client_ids": [5] * 1001}).encode()),
    ("GET", "/credit_risk/client_id=5", None),
    ("GET", "/credit_risk/client_id=4", None),
    ("GET", "/credit_risk/client_id=5?explain=true", None),
    ("POST", "/credit_risk/batch", b'{"client_ids": [5, 9]}'),
    ("POST", "/credit_risk/batch?explain=true", b'{"client_ids": [5, 9]}'),
]


@pytest.mark.parametrize(("method", "url", "body"), LANES)
def test_the_short_way_and_the_long_way_answer_alike(
    model_dir: Path, method: str, url: str, body: bytes | None
) -> None:
    def ask(url: str, content_type: str) -> httpx.Response:
        headers = {"X-Request-ID": "same"} | ({"Content-Type": content_type} if body else {})
        if url.startswith("/credit_risk"):
            return asked_through_both(FakeStore([ROW]), model_dir, method, url, content=body, headers=headers)
        return asked(feature_app(FakeStore([ROW])), method, url, content=body, headers=headers)

    # Another form of the same request: a content type with a parameter, a query with an empty part.
    short = ask(url, "application/json")
    long = ask(url if body else url + ("&" if "?" in url else "?&"), "application/json; charset=utf-8")
    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert dict(short.headers) == dict(long.headers)


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/credit_risk/client_id=5", {}),
    ("POST", "/credit_risk", {"json": {"age": 25, "nb_previous_loans": 7}}),
    ("POST", "/credit_risk/batch", {"json": {"client_ids": [5, 6, 5]}}),
]
EXPLANATION = ["contributions", "reason_codes", "base_log_odds", "explanation_method", "reason_texts_version"]


@pytest.mark.parametrize(("method", "url", "options"), ASKED)
def test_an_explanation_is_added_where_it_is_asked_for_and_changes_nothing_else(
    model_dir: Path, method: str, url: str, options: dict[str, Any]
) -> None:
    store = FakeStore([ROW])
    plain, refused, explained = (
        asked_through_both(store, model_dir, method, f"{url}{query}", **options)
        for query in ("", "?explain=false", "?explain=true")
    )
    assert plain.status_code == explained.status_code == 200
    assert plain.content == refused.content
    whole = explained.json()
    for answer in whole.get("predictions", [whole]):
        risk = CreditRisk.model_validate(answer)
        assert [answer.pop(name) is not None for name in EXPLANATION] == [True] * 5
        assert risk.contributions is not None
        assert risk.base_log_odds is not None
        assert risk.reason_codes
        assert [one.feature for one in risk.contributions] == list(risk.input_variables)
        assert {one.feature: one.value for one in risk.contributions} == risk.input_variables
        log_odds = sum(one.contribution for one in risk.contributions) + risk.base_log_odds
        assert log_odds == pytest.approx(math.log(risk.probability / (1 - risk.probability)), abs=1e-12)
    assert whole == plain.json()


def test_explain_takes_true_or_false(model_dir: Path) -> None:
    answer = asked_through_both(FakeStore([ROW]), model_dir, "GET", "/credit_risk/client_id=5?explain=perhaps")
    problem = assert_problem(answer, 422, "invalid-request")
    assert problem.errors is not None
    assert problem.errors[0].pointer == "query/explain"


def test_a_model_without_tables_says_that_it_cannot_be_explained(tmp_path: Path) -> None:
    rows = write_training_rows(tmp_path / "rows.csv", 800)
    options = [
        "--model",
        "sklearn.tree:DecisionTreeClassifier",
        "--params",
        '{"max_depth": 2}',
    ]
    assert (
        train(
            [
                str(rows),
                "--feature-set",
                str(credit_default.FILE),
                "--model-dir",
                str(tmp_path / "models"),
                "--folds",
                "2",
                "--repeats",
                "1",
                *options,
            ]
        )
        == 0
    )
    app = prediction_app(httpx.MockTransport(_refuse), tmp_path / "models")
    assert asked(app, "POST", "/credit_risk", json={"age": 40}).status_code == 200
    problem = assert_problem(asked(app, "POST", "/credit_risk?explain=true", json={"age": 40}), 422, "invalid-request")
    assert problem.errors is not None
    assert problem.errors[0].pointer == "query/explain"


def test_the_document_describes_the_explanation_as_optional(model_dir: Path) -> None:
    document = asked(prediction_app(httpx.MockTransport(_refuse), model_dir), "GET", "/openapi.json").json()
    risk = document["components"]["schemas"]["CreditRisk"]
    assert set(EXPLANATION) <= risk["properties"].keys()
    assert not set(EXPLANATION) & set(risk["required"])
    assert all("Absent unless" in risk["properties"][name]["description"] for name in EXPLANATION)
    for path, method in (
        ("/credit_risk/client_id={client_id}", "get"),
        ("/credit_risk", "post"),
        ("/credit_risk/batch", "post"),
    ):
        assert "explain" in [one["name"] for one in document["paths"][path][method].get("parameters", [])]
