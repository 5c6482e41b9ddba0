"""Both services in one process, as `make run` serves them: on one listener, by the services' own variables."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import psycopg
import pytest

from local_stack.datasets import Loader
from local_stack.errors import StackError
from local_stack.postgres import Server
from local_stack.serving import read_services
from local_stack.settings import Settings
from running import free_port

ROW = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    VALUES (5, '2020-04-11+00', '{"nb_previous_loans":7,"avg_amount_loans_previous":128.9,"age":33,"years_on_the_job":null,"flag_own_car":1}')
"""
LOCKED = "LOCK TABLE online_features IN ACCESS EXCLUSIVE MODE"
SERVE = """
import sys
from local_stack.serving import listen, read_services, serve
from service_kit.telemetry.logs import configure_logs
services = read_services()
configure_logs(services.limits().log_level, sink=sys.stdout)
serve(services, listen(int(sys.argv[1])), lambda: print("ready", file=sys.stderr, flush=True))
"""


@pytest.fixture
def variables(server: Server, database: str, model_dir: Path) -> dict[str, str]:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(ROW)
    return {
        "FEATURE_SERVICE_DATABASE_URL": server.url(database, user="feature_service"),
        "PREDICTION_SERVICE_MODEL_DIR": str(model_dir),
        "PREDICTION_SERVICE_DECISION_LOG": "off",
    }


@contextmanager
def both(log: Path, **variables: str) -> Iterator[str]:
    """The address of a front door that logs into `log`; it has stopped in order when the block ends well."""
    port = free_port()
    command = [sys.executable, "-c", SERVE, str(port)]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=os.environ | variables, stdout=out, stderr=subprocess.PIPE) as process,
    ):
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == b"ready\n"
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def lines_of(log: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]


async def asked_at_once(url: str, callers: int, times: int) -> Counter[tuple[int, str]]:
    """How often each answer came: its status, and the type of its problem."""
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def caller() -> list[httpx.Response]:
            return [await client.get(url) for _ in range(times)]

        answers = await asyncio.gather(*(caller() for _ in range(callers)))
    return Counter((answer.status_code, answer.json().get("type", "")) for each in answers for answer in each)


def test_more_callers_than_there_are_places_do_not_starve_the_call_between_the_services(
    variables: dict[str, str], tmp_path: Path
) -> None:
    variables["PREDICTION_SERVICE_MAX_CONCURRENT_REQUESTS"] = "1"
    with both(tmp_path / "log", **variables) as base:
        found = asyncio.run(asked_at_once(f"{base}/credit_risk/client_id=5", callers=8, times=5))
    assert found[200, ""] > 0
    assert found.keys() <= {(200, ""), (503, "/problems/overloaded")}, found


def test_a_caller_that_hangs_up_is_no_failure(
    variables: dict[str, str], server: Server, database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    addresses = ("/credit_risk/client_id=5", "/feature-service/online_feature_store/client_id=5")
    with both(log, **variables) as base, psycopg.connect(server.url(database)) as other:
        other.execute(LOCKED)
        host, port = "127.0.0.1", httpx.URL(base).port
        for address in addresses:
            with socket.create_connection((host, port)) as caller:
                caller.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % address.encode())
                time.sleep(0.3)  # it is being worked on when its caller leaves
        other.rollback()
        deadline = time.monotonic() + 10
        while not {line.get("status") for line in lines_of(log)} >= {499}:
            assert time.monotonic() < deadline, lines_of(log)
            time.sleep(0.05)
    gone = [line["service"] for line in lines_of(log) if line.get("status") == 499]
    assert sorted(map(str, gone)) == ["feature_service", "prediction_service"]
    assert not [line for line in lines_of(log) if line["level"] == "error"]


def test_the_services_own_variables_count_and_those_without_a_prefix_do_not(
    variables: dict[str, str], tmp_path: Path
) -> None:
    variables |= {"LOG_LEVEL": "debug", "HOST": "0.0.0.0", "PORT": "no number", "MAX_HEAD_BYTES": "4096"}
    variables |= {"FEATURE_SERVICE_MAX_HEAD_BYTES": "32768", "PREDICTION_SERVICE_LOG_LEVEL": "WARNING"}
    log = tmp_path / "log"
    with both(log, **variables) as base:
        long, too_long = ({"X-Filler": "a" * size} for size in (20_000, 40_000))
        assert httpx.get(f"{base}/online_feature_store/client_id=5", headers=long).status_code == 200
        assert httpx.get(f"{base}/online_feature_store/client_id=5", headers=too_long).status_code == 431
    assert [line["event"] for line in lines_of(log) if line["level"] in ("debug", "info")] == []


def test_what_both_services_set_is_the_larger_and_the_more_talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FEATURE_SERVICE_MAX_HEADERS": "50",
        "PREDICTION_SERVICE_MAX_HEADERS": "20",
        "PREDICTION_SERVICE_MAX_ADDRESS_BYTES": "512",
        "FEATURE_SERVICE_LOG_LEVEL": "ERROR",
        "PREDICTION_SERVICE_LOG_LEVEL": "DEBUG",
    }.items():
        monkeypatch.setenv(name, value)
    limits = read_services().limits()
    assert (limits.max_headers, limits.max_address_bytes, limits.log_level) == (50, 512, "DEBUG")
    assert limits.max_connections == 10_240


def test_a_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTION_SERVICE_LOG_LEVEL", "loud")
    with pytest.raises(StackError, match=r"^PREDICTION_SERVICE_LOG_LEVEL: "):
        read_services()


SET = """
name = "rents"
[outcome]
column = "status"
[[feature]]
name = "rent"
type = "number"
description = "Rent"
"""


def test_too_few_rows_of_another_set_leave_the_model_of_the_sample_out(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text(SET)
    (tmp_path / "rows.csv").write_text("id,rent,status\n1,5,0\n2,6,1\n")
    said: list[str] = []
    settings = Settings(data_dir=tmp_path, feature_set=tmp_path / "set.toml", features=tmp_path / "rows.csv")
    try:
        dataset = Loader(server, settings, said.append).prepare()
        assert Loader(server, Settings(data_dir=tmp_path), said.append).prepare() == dataset
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS own WITH (FORCE)")
    assert (dataset.name, dataset.model_dir, list(dataset.model_dir.iterdir())) == (
        "own",
        tmp_path / "models" / "own",
        [],
    )
    # The next start trains again: the first training may have been interrupted, or there may be more rows by now.
    assert sum("no model could be trained on this data" in line for line in said) == 2
    assert any("no decision is possible without a model" in line for line in said)
    assert not any("sample" in line for line in said)
