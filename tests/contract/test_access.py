"""API keys: every route of both applications needs the right one, and no answer or log line gives one away."""

import asyncio
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount

from asgi import client_of
from both_services import FakeStore, encoded
from feature_service.app import create_app as create_feature_app
from feature_service.routes.reading import operations as feature_operations
from feature_service.settings import Settings as FeatureSettings
from feature_service.store.online import Said
from feature_service.store.postgresql.writer import WriteMetrics
from local_stack.front import FrontDoor
from prediction_service.app import create_app as create_prediction_app
from prediction_service.features.client import FeatureClient, open_feature_client
from prediction_service.settings import Settings as PredictionSettings
from service_kit.__main__ import main
from service_kit.access import rules as access
from service_kit.access.keys import SCOPES, ApiKey, KeysRefused, digest_of, new_key, parse_keys, read_keys
from service_kit.access.rules import Access
from service_kit.problems import RateLimited, Unauthenticated
from service_kit.request.ask import Ask
from service_kit.service import why_not_listen

FEATURE_RULES = [operation.rule for operation in feature_operations]
KEYS = {name: new_key() for name in (*SCOPES, "expired")}
LINES = "\n".join(
    [
        "# one key for each scope, and one whose time is over",
        *(f"name={s.replace(':', '-')} scopes={s} sha256={digest_of(KEYS[s].encode()).hex()}" for s in SCOPES),
        f"name=old scopes=admin sha256={digest_of(KEYS['expired'].encode()).hex()} expires=2020-01-01",
    ]
)
ROW = {"client_id": 5, "event_timestamp": datetime(2020, 4, 11, tzinfo=UTC)}
VECTOR = encoded(ROW)


class TakesAll:
    """A writer to which everything is news."""

    async def write(self, client_id: int, said: Said, _: Ask[Any]) -> list[str]:
        return []

    async def erase(self, client_id: int, id_column: str, _: Ask[Any]) -> bool:
        return True


def feature_app(**settings: Any) -> FastAPI:
    @asynccontextmanager
    async def open_store(_: FeatureSettings) -> AsyncIterator[Any]:
        yield FakeStore([ROW])

    @asynccontextmanager
    async def open_writer(_: FeatureSettings, __: WriteMetrics) -> AsyncIterator[Any]:
        yield TakesAll()

    return create_feature_app(FeatureSettings(**settings), open_store, open_writer)


def prediction_app(model_dir: Path, **settings: Any) -> FastAPI:
    @asynccontextmanager
    async def open_client(_: PredictionSettings) -> AsyncIterator[FeatureClient]:
        answer = httpx.Response(200, content=b'{"features":[' + VECTOR + b'],"not_found":[]}')
        yield FeatureClient(httpx.MockTransport(lambda _: answer), "http://f", httpx.Timeout(1))

    return create_prediction_app(PredictionSettings(decision_log=False, model_dir=model_dir, **settings), open_client)


def asked(app: FastAPI, method: str, url: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(app) as client:
            return await client.request(method, url, **options)

    return asyncio.run(ask())


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of included routers too; a mount counts as GET of something below it."""
    for route in routes:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/swagger-ui.css"
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router.routes)
        else:
            for method in getattr(route, "methods", ()):
                path: str = getattr(route, "path")  # noqa: B009 -- untyped
                for parameter, value in PARAMETERS.items():
                    path = path.replace(parameter, value)
                yield method, path


def is_open(path: str) -> bool:
    return (
        path.startswith(("/health/", "/docs", "/console/"))
        or path in ("/openapi.json", "/console")
        or path in OPEN_TO_FOREIGN_CLIENTS
    )


OPEN_TO_FOREIGN_CLIENTS = {"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/feast/health"}


@pytest.fixture
def apps(model_dir: Path) -> list[FastAPI]:
    return [feature_app(api_keys=LINES), prediction_app(model_dir, api_keys=LINES)]


SCOPE_OF: dict[tuple[str, str], str | None] = {
    ("GET", "/online_feature_store/client_id=5"): "features:read",
    ("POST", "/online_feature_store/batch"): "features:read",
    ("PUT", "/online_feature_store/client_id=5"): "features:write",
    ("DELETE", "/online_feature_store/client_id=5"): "features:write",
    ("GET", "/online_feature_store"): "features:read",
    ("GET", "/feature_definitions"): "features:read",
    ("POST", "/get-online-features"): "features:read",
    ("POST", "/push"): "features:write",
    ("POST", "/write-to-online-store"): "features:write",
    ("POST", "/feast/get-online-features"): "features:read",
    ("POST", "/feast/push"): "features:write",
    ("POST", "/feast/write-to-online-store"): "features:write",
    ("GET", "/feast/health"): None,
    ("GET", "/health"): None,
    ("GET", "/credit_risk/client_id=5"): "predict",
    ("POST", "/credit_risk/client_id=5/preview"): "predict",
    ("POST", "/credit_risk/batch"): "predict",
    ("POST", "/credit_risk"): "predict",
    ("GET", "/models"): "predict",
    ("GET", "/models/first"): "predict",
    ("GET", "/models/first/tables"): "predict",
    ("GET", "/models/first/reference"): "predict",
    ("GET", "/decisions"): "decisions:read",
    ("GET", "/decisions/counts"): "decisions:read",
    ("GET", "/decisions/ID"): "decisions:read",
    ("GET", "/decisions/ID/proof"): "decisions:read",
    ("GET", "/decisions/ID/statement"): "decisions:read",
    ("GET", "/decisions/ID/reviews"): "decisions:read",
    ("POST", "/decisions/ID/replay"): "decisions:read",
    ("POST", "/decisions/ID/reviews"): "decisions:review",
    ("POST", "/decisions/ID/reconsider"): "predict",
    ("DELETE", "/decisions"): "decisions:erase",
    ("POST", "/outcomes"): "outcomes:write",
    ("GET", "/decision_log/checkpoint"): None,
    ("GET", "/decision_log/tile/0/000"): None,
    ("GET", "/v2"): "predict",
    ("GET", "/v2/health/live"): None,
    ("GET", "/v2/health/ready"): None,
    ("GET", "/v2/models"): "predict",
    ("POST", "/v2/repository/index"): "predict",
    ("GET", "/v2/models/m"): "predict",
    ("GET", "/v2/models/m/ready"): "predict",
    ("GET", "/v2/models/m/versions/first"): "predict",
    ("GET", "/v2/models/m/versions/first/ready"): "predict",
    ("POST", "/v2/models/m/infer"): "predict",
    ("POST", "/v2/models/m/versions/first/infer"): "predict",
    ("GET", "/ping"): None,
    ("GET", "/version"): "predict",
    ("POST", "/invocations"): "predict",
    ("GET", "/monitoring/stability"): "metrics:read",
    ("GET", "/monitoring/performance"): "metrics:read",
    ("GET", "/monitoring/fairness"): "metrics:read",
    ("GET", "/monitoring/alarms"): "metrics:read",
    ("POST", "/monitoring/alarms/ALARM/acknowledge"): "admin",
    ("GET", "/models/first/dossier"): "metrics:read",
    ("GET", "/metrics"): "metrics:read",
    ("HEAD", "/metrics"): "metrics:read",
}
KEYLESS = frozenset({
    "/health", "/feast/health", "/ping", "/v2/health/live", "/v2/health/ready", "/decision_log/checkpoint",
    "/decision_log/tile/{path}",
})  # fmt: skip
PARAMETERS = {
    "{alarm_id:path}": "ALARM", "{alarm_id}": "ALARM",
    "{client_id:path}": "5", "{client_id}": "5", "{version:path}": "first", "{version}": "first", "{model:path}": "m",
    "{model}": "m", "{decision_id:path}": "ID", "{decision_id}": "ID", "{path:path}": "0/000",
    "/console/docs/{name:path}": "/console/docs/how-to/keys", "{name:path}": "app.js",
}  # fmt: skip
BODIES: dict[str, object] = {
    "/online_feature_store/batch": {"client_ids": [5]},
    "/credit_risk/batch": {"client_ids": [5]},
    "/online_feature_store/client_id=5": {"event_timestamp": "2020-04-11T00:00:00Z", "age": 40},
}


ALL_SCOPES = [KEYS[scope] for scope in SCOPES]


def statuses_of_routes(app: FastAPI, keys: Sequence[str | None]) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """Of each route what is answered to each key, None: without one."""
    routes = list(routes_of(app.routes))

    async def scenario() -> list[list[int]]:
        async with client_of(app) as client:

            async def status(method: str, path: str, key: str | None) -> int:
                headers = {"X-API-Key": key} if key else {}
                return (await client.request(method, path, headers=headers, json=BODIES.get(path, {}))).status_code

            return [[await status(*route, key) for key in keys] for route in routes]

    yield from zip(routes, asyncio.run(scenario()), strict=True)


def test_every_route_needs_the_key_that_it_is_for(apps: list[FastAPI]) -> None:
    guarded = set()
    for app in apps:
        for (method, path), statuses in statuses_of_routes(app, [None, new_key(), KEYS["expired"], *ALL_SCOPES]):
            if is_open(path):
                assert set(statuses) == ({307} if path in ("/console", "/console/docs") else {200}), path
                continue
            guarded.add((method, path))
            needed = SCOPE_OF[method, path]
            if needed is None:
                assert not {401, 403} & set(statuses), (method, path)
                continue
            assert statuses[:3] == [401] * 3, (method, path)
            refused = [status == 403 for status in statuses[3:]]
            assert refused == [scope not in (needed, "admin") for scope in SCOPES], (method, path)
    assert guarded == {route for route in SCOPE_OF if not is_open(route[1])}


def test_the_refusals_are_problems_and_all_unauthenticated_ones_are_the_same(apps: list[FastAPI]) -> None:
    for app in apps:
        url = "/metrics"
        bad: list[dict[str, str | bytes]] = [{}, {"X-API-Key": new_key()}, {"X-API-Key": KEYS["expired"]}, {"X-API-Key": ""}, {"X-API-Key": "k" * 60_000},
               {"X-API-Key": "ключ".encode()}, {"X-API-Key": b"\xff\xfe"}, {"Authorization": "Bearer"},
               {"Authorization": "Bearer "}, {"Authorization": f"Basic {KEYS['admin']}"}, {"Authorization": KEYS["admin"]},
               {"Authorization": f"Bearer {KEYS['admin']} x"}, {"X-API-Key": digest_of(KEYS["admin"].encode()).hex()}]  # fmt: skip
        bodies = set()
        for headers in bad:
            answer = asked(app, "GET", url, headers={**headers, "X-Request-ID": "same"})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-request-id"] == "same"
            bodies.add(answer.content)
        [body] = bodies
        assert json.loads(body)["type"] == "/problems/unauthenticated"
        forbidden = asked(app, "GET", url, headers={"X-API-Key": KEYS["features:write"]})
        assert (forbidden.status_code, forbidden.json()["type"]) == (403, "/problems/forbidden")


def test_both_headers_are_taken(apps: list[FastAPI]) -> None:
    key = KEYS["metrics:read"]
    for app in apps:
        for headers in ({"X-API-Key": key}, {"x-api-key": f" {key} "}, {"Authorization": f"Bearer {key}"},
                        {"Authorization": f"bearer  {key}"}, {"Authorization": "Basic gateway", "X-API-Key": key}):  # fmt: skip
            assert asked(app, "GET", "/metrics", headers=headers).status_code == 200, headers


def test_more_than_one_key_in_a_request_is_refused(apps: list[FastAPI]) -> None:
    key = KEYS["admin"]
    for doubled in (
        [("X-API-Key", key), ("X-API-Key", key)],
        [("X-API-Key", "wrong"), ("X-API-Key", key)],
        [("X-API-Key", key), ("Authorization", f"Bearer {key}")],
    ):
        assert asked(apps[0], "GET", "/metrics", headers=doubled).status_code == 401


def test_addresses_that_are_none_tell_nothing_without_a_key(apps: list[FastAPI]) -> None:
    for path in (
        "/nothing",
        "/",
        "/docsx",
        "/consolex",
        "/healthy",
        "/openapi.jsonx",
        "/healthz",
        "/feast/healthz",
        "/feast/nothing",
    ):
        assert asked(apps[0], "GET", path).status_code == 401, path
        for scope in ("features:read", "metrics:read"):
            assert asked(apps[0], "GET", path, headers={"X-API-Key": KEYS[scope]}).status_code == 403, path
        assert asked(apps[0], "GET", path, headers={"X-API-Key": KEYS["admin"]}).status_code == 404, path


def test_a_request_that_is_refused_is_not_read(apps: list[FastAPI]) -> None:
    async def scenario() -> list[dict[str, Any]]:
        async def receive() -> Any:
            raise AssertionError("the body was read")

        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await apps[0]({"type": "http", "method": "POST", "path": "/online_feature_store/batch", "root_path": "",
                       "headers": [(b"content-length", b"999999999")], "query_string": b""}, receive, send)  # fmt: skip
        return sent

    assert asyncio.run(scenario())[0]["status"] == 401


def test_below_a_prefix_the_same_keys_are_needed(model_dir: Path) -> None:
    async def scenario() -> None:
        door = FrontDoor(feature_app(api_keys=LINES), prediction_app(model_dir, api_keys=LINES), FeatureSettings())
        async with door._lifespan(door._own), httpx.AsyncClient(
            transport=httpx.ASGITransport(door), base_url="http://front"
        ) as client:  # fmt: skip
            for prefix in ("", "/feature-service"):
                url = f"{prefix}/online_feature_store/client_id=5"
                assert (await client.get(url)).status_code == 401
                assert (await client.get(url, headers={"X-API-Key": KEYS["predict"]})).status_code == 403
                assert (await client.get(url, headers={"X-API-Key": KEYS["features:read"]})).status_code == 200
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/metrics", headers={"X-API-Key": KEYS["metrics:read"]})).status_code == 200
            assert (await client.get("/feature-service/health/live")).status_code == 200
            assert (await client.get("/health/live")).status_code == 200
            document = (await client.get("/openapi.json")).json()
            assert document["components"]["securitySchemes"].keys() == {"ApiKey", "Bearer"}

    asyncio.run(scenario())


def request_scope(key: str, path: str = "/feature_definitions") -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "headers": [(b"x-api-key", key.encode())]}


def rated(rate: int, window_seconds: int = 60) -> tuple[Access, str]:
    key = new_key()
    entry = ApiKey("batch-job", frozenset({"features:read"}), digest_of(key.encode()), rate=rate)
    return Access([entry], FEATURE_RULES, window_seconds=window_seconds), key


def test_too_many_requests_of_one_key_wait_and_go_on() -> None:
    gate, key = rated(3, window_seconds=1)
    for _ in range(3):
        gate.admit(request_scope(key))
    with pytest.raises(RateLimited) as refused:
        gate.admit(request_scope(key))
    assert refused.value.headers["Retry-After"] == "1"
    time.sleep(1.01)
    gate.admit(request_scope(key))


def test_the_limit_of_one_key_is_not_that_of_another_and_is_answered_with_when_to_come_back() -> None:
    slow, fast = new_key(), new_key()
    lines = ";".join(
        f"name={name} scopes=features:read sha256={digest_of(key.encode()).hex()} {rate}"
        for name, key, rate in (("slow", slow, "rate=2"), ("fast", fast, ""))
    )

    async def scenario() -> list[httpx.Response]:
        async with client_of(feature_app(api_keys=lines)) as client:
            return [
                await client.get("/feature_definitions", headers={"X-API-Key": key})
                for key in (slow, fast, slow, slow, fast)
            ]

    answers = asyncio.run(scenario())
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200]
    assert answers[3].json()["type"] == "/problems/rate-limited"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


def test_every_key_is_compared_and_in_constant_time() -> None:
    entries = parse_keys(LINES)
    compared: list[bytes] = []

    def counted(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return original(given, known)

    original = hmac.compare_digest
    assert vars(access)["compare_digest"] is original
    gate = Access(entries, FEATURE_RULES)
    with pytest.MonkeyPatch.context() as patch:  # what is looked at is the call itself
        patch.setattr(access, "compare_digest", counted)
        gate.admit(request_scope(KEYS["features:read"]))
        with pytest.raises(Unauthenticated):
            gate.admit(request_scope("wrong"))
    assert compared == [entry.digest for entry in entries] * 2


def test_a_changed_file_is_followed_and_a_broken_one_is_not(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    line = "name=a scopes=features:read sha256={}\n"
    file = tmp_path / "keys"
    file.write_text(line.format(digest_of(first.encode()).hex()))
    settings = FeatureSettings(api_keys_file=file)
    gate = access.open_access(settings, FEATURE_RULES)
    assert gate is not None

    def admitted(key: str) -> bool:
        gate._next_look = 0
        try:
            gate.admit(request_scope(key))
        except Unauthenticated:
            return False
        return True

    assert (admitted(first), admitted(second)) == (True, False)
    file.write_text(line.format(digest_of(second.encode()).hex()) + "# rotated\n")
    assert (admitted(first), admitted(second)) == (False, True)
    for broken in ("nonsense", "", "# none left\n"):
        file.write_text(broken)
        assert (admitted(first), admitted(second)) == (False, True)
    file.unlink()
    assert admitted(second)
    file.write_text(line.format(digest_of(first.encode()).hex()))
    assert (admitted(first), admitted(second)) == (True, False)


def test_a_file_that_cannot_be_read_for_a_moment_does_not_keep_the_old_key_valid(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    line = "name=a scopes=features:read sha256={}\n"
    file = tmp_path / "keys"
    file.write_text(line.format(digest_of(old.encode()).hex()))
    gate = access.open_access(FeatureSettings(api_keys_file=file), FEATURE_RULES)
    assert gate is not None

    def admitted(key: str) -> bool:
        gate._next_look = 0
        try:
            gate.admit(request_scope(key))
        except Unauthenticated:
            return False
        return True

    content = line.format(digest_of(new.encode()).hex())
    file.write_bytes(b"\xff" + content.encode())
    stat = file.stat()
    assert admitted(old)
    # Of the same size, inode and time: only its ctime differs from the file that could not be read.
    file.write_bytes(content.encode() + b" ")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (admitted(old), admitted(new)) == (False, True)


def test_keys_of_the_variable_and_of_the_file_stand_together(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"name=new scopes=admin sha256={'0' * 64}\n")
    both = FeatureSettings(api_keys=LINES, api_keys_file=file)
    keys = read_keys(both)
    assert keys is not None
    assert len(keys) == len(SCOPES) + 2


GOOD = f"name=a scopes=admin sha256={'0' * 64}"


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "name=a", GOOD.replace("admin", "root"), GOOD.replace("admin", ""), GOOD[:-1], GOOD + " rate=0",
        GOOD + " rate=-1", GOOD + " rate=1.5", GOOD + " expires=tomorrow", GOOD + " expires=2027-01-31T00:00:00",
        GOOD + " owner=me", GOOD + " name=b", f"{GOOD};{GOOD}", GOOD.replace("a ", "a\u200b ", 1), "", "#" + GOOD,
    ],
)  # fmt: skip
def test_lines_that_configure_no_key_are_refused_in_one_line_that_does_not_repeat_them(line: str) -> None:
    reason = why_not_listen(FeatureSettings(api_keys=line))
    assert reason is not None
    assert "\n" not in reason
    assert "0000" not in reason
    with pytest.raises(KeysRefused):
        feature_app(api_keys=line)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_key(host: str) -> None:
    assert why_not_listen(FeatureSettings(host=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.1.2.3", "example.org"])
def test_more_than_loopback_needs_a_key_or_an_explicit_word(host: str) -> None:
    reason = why_not_listen(PredictionSettings(host=host))
    assert reason is not None
    assert "PREDICTION_SERVICE_ALLOW_ANONYMOUS=true" in reason
    assert why_not_listen(PredictionSettings(host=host, allow_anonymous=True)) is None
    assert why_not_listen(PredictionSettings(host=host, api_keys=LINES)) is None


@pytest.mark.parametrize("service", ["feature_service", "prediction_service"])
def test_a_service_that_would_be_open_to_all_does_not_start(service: str) -> None:
    environment = os.environ | {f"{service.upper()}_HOST": "0.0.0.0", f"{service.upper()}_PORT": "0"}
    command = [sys.executable, "-m", service]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"{service.upper()}_ALLOW_ANONYMOUS" in done.stderr


def test_the_prediction_service_presents_its_key() -> None:
    async def scenario(**settings: Any) -> dict[bytes, bytes]:
        async with open_feature_client(PredictionSettings(**settings)) as client:
            return dict(client._headers)

    assert asyncio.run(scenario(feature_service_api_key="crk_x"))[b"X-API-Key"] == b"crk_x"
    assert b"X-API-Key" not in asyncio.run(scenario())


def test_no_key_shows_in_a_settings_or_a_keys_repr() -> None:
    key = new_key()
    settings = PredictionSettings(feature_service_api_key=key, api_keys=GOOD)
    assert key not in repr(settings)
    assert "aaaa" not in repr(parse_keys(GOOD.replace("0", "6").replace("66", "61")))
    assert "0000" not in repr(settings)


def test_the_openapi_documents_name_both_headers_and_what_needs_them(apps: list[FastAPI]) -> None:
    for app in apps:
        document = asked(app, "GET", "/openapi.json").json()
        assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
        assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
        for path, operations in document["paths"].items():
            for operation in operations.values():
                keyless = is_open(path) or path in KEYLESS
                assert ("security" not in operation) == keyless, path
                assert ({"401", "403", "429"} <= operation["responses"].keys()) == (not keyless), path
    open_to_all = asked(feature_app(), "GET", "/openapi.json").json()
    assert "security" not in json.dumps(open_to_all["paths"])


def test_a_made_key_is_the_one_that_its_line_admits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "--name", "a", "--scope", "predict", "--scope", "features:read",
                 "--expires", "2099-01-31", "--rate", "600"]) == 0  # fmt: skip
    printed = capsys.readouterr().out.splitlines()
    [key] = [line for line in printed if line.startswith("crk_")]
    [line] = [line for line in printed if line.startswith("name=")]
    assert key not in line
    [parsed] = parse_keys(line)
    assert parsed.digest == digest_of(key.encode())
    assert parsed.scopes == {"predict", "features:read"}
    assert parsed.rate == 600
    file = tmp_path / "keys"
    file.write_text(line)
    assert main(["keys", "list", str(file)]) == 0
    assert capsys.readouterr().out == "a: features:read, predict; expires 2099-01-31T00:00:00+00:00; 600 a minute\n"
    assert main(["keys", "list", str(tmp_path / "none")]) == 2
    with pytest.raises(SystemExit) as refused:
        main(["keys", "new", "--name", "a b", "--scope", "predict"])
    assert refused.value.code == 2
    assert "argument --name: 'a b' is not 1 to 64 letters" in capsys.readouterr().err


def test_logs_name_the_key_and_never_hold_it(tmp_path: Path) -> None:
    """In a process of its own: loggers keep the sink that they first wrote to."""
    program = (
        "import asyncio, sys, httpx\n"
        "from service_kit.telemetry.logs import configure_logs\n"
        "configure_logs('DEBUG')\n"
        "from feature_service.app import create_app\n"
        "app = create_app()\n"
        "async def ask():\n"
        "    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url='http://f') as client:\n"
        "        for headers in ({'X-API-Key': sys.argv[1]}, {'Authorization': 'Bearer ' + sys.argv[1]}, "
        "{'X-API-Key': 'wrong-' + sys.argv[1]}, {'X-API-Key': sys.argv[1], 'Authorization': 'Bearer ' + sys.argv[1]}):\n"
        "            await client.get('/feature_definitions', headers=headers)\n"
        "asyncio.run(ask())\n"
    )
    key = KEYS["features:read"]
    environment = os.environ | {"FEATURE_SERVICE_API_KEYS": LINES, "FEATURE_SERVICE_LOG_LEVEL": "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", program, key], env=environment, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("api_key") for line in lines if line["event"] == "request"] == ["features-read"] * 2 + [None] * 2
    assert key not in done.stdout + done.stderr
    assert digest_of(key.encode()).hex() not in done.stdout + done.stderr
