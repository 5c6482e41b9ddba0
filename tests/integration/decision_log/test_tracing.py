"""One trace from a prediction to the SQL, on a real PostgreSQL: in memory, and as processes that send to a collector."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import SecretStr

from asgi import client_of, transport_to
from decisions import Log
from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from feature_service.store.postgresql.reader import Reader
from local_stack.postgres import Server
from prediction_service.app import create_app as create_prediction_app
from prediction_service.features.client import FeatureClient, open_feature_client
from prediction_service.features.traced import traced
from prediction_service.features.transport import Http1Transport
from prediction_service.recording.log import Recording
from prediction_service.settings import Settings as PredictionSettings
from running import service
from service_kit.batching import Batcher
from service_kit.telemetry.tracing import tracing
from traces import Traces, id_of, kept_traces, links_of, parent_of, trace_of

INSERT = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, timestamptz '2020-01-01+00',
           json_build_object('nb_previous_loans', n, 'avg_amount_loans_previous', 100 + n, 'age', 20 + n,
                             'years_on_the_job', NULL, 'flag_own_car', mod(n, 2))
      FROM generate_series(1, 20) AS n
"""
RISK = "GET /credit_risk/client_id={client_id}"
CALL = "POST /online_feature_store/batch"
SQL = "SELECT online_features"


@pytest.fixture
def features_url(server: Server, database: str) -> str:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(INSERT)
    return server.url(database, user="feature_service")


@asynccontextmanager
async def answering(features_url: str, log: Log, model_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The prediction service on the feature service on PostgreSQL, all of them whole but for the socket between them."""
    features = create_feature_app(FeatureSettings(database_url=SecretStr(features_url)))
    settings = PredictionSettings(model_dir=model_dir, decision_log_database_url=SecretStr(log.url("decision_writer")))
    async with transport_to(features) as transport:

        @asynccontextmanager
        async def open_client(_: PredictionSettings) -> AsyncIterator[FeatureClient]:
            yield FeatureClient(traced(transport), "http://features", httpx.Timeout(2))

        async with client_of(create_prediction_app(settings, open_client)) as client:
            yield client


def asked(
    features_url: str, log: Log, model_dir: Path, *requests: tuple[int, dict[str, str]]
) -> tuple[Traces, list[int], str]:
    """What is traced while these clients are asked about at the same time, the statuses, and a scrape afterwards."""

    async def scenario() -> tuple[list[int], str]:
        async with answering(features_url, log, model_dir) as client:
            answers = await asyncio.gather(
                *(client.get(f"/credit_risk/client_id={one}", headers=headers) for one, headers in requests)
            )
            scrape = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
            return [answer.status_code for answer in answers], scrape.text

    with kept_traces() as traces:
        statuses, scrape = asyncio.run(scenario())
    return traces, statuses, scrape


def traceparent(number: int, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{number:032x}-{number:016x}-{flags}"}


def test_one_trace_leads_from_the_caller_through_both_services_to_the_sql(
    features_url: str, log: Log, model_dir: Path
) -> None:
    traces, statuses, _ = asked(features_url, log, model_dir, (5, traceparent(0xA)))
    assert statuses == [200]
    trace = f"{0xA:032x}"
    request = traces.only(RISK, trace, SpanKind.SERVER)
    batch = traces.only("batch", trace)
    call = traces.only(CALL, trace, SpanKind.CLIENT)
    answered = traces.only(CALL, trace, SpanKind.SERVER)
    sql = traces.only(SQL, trace)
    assert parent_of(request) == f"{0xA:016x}"
    assert parent_of(batch) == id_of(request)
    assert parent_of(call) == id_of(batch)
    assert parent_of(answered) == id_of(call)
    assert parent_of(sql) == id_of(answered)
    assert parent_of(traces.only("record", trace)) == id_of(request)


def test_a_batch_is_in_the_trace_of_the_first_and_linked_with_the_others(
    features_url: str, log: Log, model_dir: Path
) -> None:
    traces, statuses, _ = asked(features_url, log, model_dir, *((n, traceparent(n)) for n in (1, 2, 3)))
    assert statuses == [200] * 3
    batch = traces.only("batch")
    sql = [span for span in traces.named(SQL) if trace_of(span) == trace_of(batch)]
    requests = {trace_of(span): span for span in traces.named(RISK)}
    assert len(sql) == 1  # for all three
    assert sorted(requests) == [f"{n:032x}" for n in (1, 2, 3)]
    first = requests.pop(trace_of(batch))
    assert parent_of(batch) == id_of(first)
    assert links_of(batch) == {id_of(span) for span in requests.values()}
    assert all(links_of(span) == {id_of(batch)} for span in requests.values())
    assert batch.attributes == {"batch.keys": 3, "batch.requests": 3}


def test_a_batch_is_recorded_if_one_of_its_requests_is(features_url: str, log: Log, model_dir: Path) -> None:
    traces, statuses, _ = asked(features_url, log, model_dir, (1, traceparent(1, flags="00")), (2, traceparent(2)))
    assert statuses == [200] * 2
    assert {trace_of(span) for span in traces.spans} == {f"{2:032x}"}
    assert parent_of(traces.only("batch")) == id_of(traces.only(RISK))


def test_no_span_holds_a_client_id_or_a_value(features_url: str, log: Log, model_dir: Path) -> None:
    traces, _, _ = asked(features_url, log, model_dir, (19, traceparent(0xB)))
    texts = [str(value) for span in traces.spans for value in (span.name, *(span.attributes or {}).values())]
    assert any("WHERE client_id = ANY($1::bigint[])" in text for text in texts)
    assert not [text for text in texts if "client_id=19" in text or text == "19"]


def test_a_write_is_traced_to_its_statement(server: Server, database: str, features_url: str) -> None:
    writer = SecretStr(server.url(database, user="feature_writer"))

    async def scenario() -> int:
        settings = FeatureSettings(database_url=SecretStr(features_url), writer_database_url=writer)
        async with client_of(create_feature_app(settings)) as client:
            body = {"event_timestamp": "2021-01-01T00:00:00Z", "age": 30}
            address = "/online_feature_store/client_id=5"
            return (await client.put(address, json=body, headers=traceparent(0xF))).status_code

    with kept_traces() as traces:
        status = asyncio.run(scenario())
    assert status == 200
    request = traces.only("PUT /online_feature_store/client_id={client_id}", f"{0xF:032x}")
    assert parent_of(traces.only("write", f"{0xF:032x}")) == id_of(request)


def test_a_scrape_leads_to_the_trace(features_url: str, log: Log, model_dir: Path) -> None:
    traces, _, scrape = asked(features_url, log, model_dir, (5, traceparent(0xC)), (6, traceparent(0xD, flags="00")))
    families = text_string_to_metric_families(scrape)  # type: ignore[no-untyped-call] # of the library
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for family in families
        for sample in family.samples
        if sample.exemplar and sample.labels["http_route"] == "/credit_risk/client_id={client_id}"
    }
    assert exemplars == {f"{0xC:032x}"}
    assert {trace_of(span) for span in traces.named(RISK)} == exemplars


def test_where_traces_are_off_nothing_is_there_for_them(features_url: str, log: Log, model_dir: Path) -> None:
    async def scenario() -> None:
        assert tracing() is None
        features = create_feature_app(FeatureSettings(database_url=SecretStr(features_url)))
        settings = PredictionSettings(
            model_dir=model_dir, decision_log_database_url=SecretStr(log.url("decision_writer"))
        )
        predictions = create_prediction_app(settings, open_feature_client)
        for app in (features, predictions):
            assert type(app._around).__name__ == "RequestLayer"  # type: ignore[attr-defined]
            assert app._around._metrics is app.state.metrics  # type: ignore[attr-defined]
        async with features.router.lifespan_context(features), predictions.router.lifespan_context(predictions):
            store, state = features.state.opened.state.store, predictions.state.opened.state
            assert (type(store._online._reader), type(store._coalesced)) == (Reader, Batcher)
            client = state.features.client
            assert (type(client._transport), type(client._coalesced)) == (Http1Transport, Batcher)
            assert type(state.recording) is Recording

    asyncio.run(scenario())


def test_where_traces_are_off_nothing_of_them_is_even_imported() -> None:
    program = (
        "import sys; from feature_service.app import create_app as one; from prediction_service.app import create_app as two; "
        "one(); two(); print({'opentelemetry.sdk', 'service_kit.telemetry.spans'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


class Collector:
    """Takes spans as a collector does (OTLP over HTTP)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    @contextmanager
    def listening(self) -> Iterator[str]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.spans += [(names["service.name"], span) for part in resource.scope_spans for span in part.spans]


def test_processes_send_one_trace_to_a_collector(
    features_url: str, log: Log, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    with collector.listening() as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with service("feature_service", database_url=features_url) as features:
            options = {"feature_service_url": features.base, "model_dir": model_dir}
            url = log.url("decision_writer")
            with service("prediction_service", decision_log_database_url=url, **options) as predictions:
                answer = httpx.get(f"{predictions.base}/credit_risk/client_id=5", headers=traceparent(0xE), timeout=5)
                assert answer.status_code == 200
                for running in (predictions, features):
                    running.stop()
                    running.process.wait(20)
    mine = {(name, span.name) for name, span in collector.spans if span.trace_id.hex() == f"{0xE:032x}"}
    assert mine >= {  # and the first request asks for the definitions
        ("prediction_service", RISK),
        ("prediction_service", "batch"),
        ("prediction_service", CALL),
        ("prediction_service", "record"),
        ("feature_service", CALL),
        ("feature_service", SQL),
    }
