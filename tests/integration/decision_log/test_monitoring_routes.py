"""What is served of a monitored version, over HTTP, and what acknowledging an alarm does."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from asgi import client_of, transport_to
from both_services import FakeStore, assert_problem, feature_app, prediction_app
from credit_default import ROW
from decision_log import Outcome
from decision_log.store.postgres import Source, open_database
from decisions import Log
from prediction_service.commands import main
from prediction_service.monitor.acknowledging import NotAdoptable, acknowledge
from prediction_service.monitor.watching import Watching
from prediction_service.monitoring.evidence import Evidence
from prediction_service.monitoring.stability import Alarm
from prediction_service.versions.folder import activate
from registries import copy_version
from watched import NOW, as_trained, decided, only_of, population, record, step


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    return Path(copytree(model_dir, tmp_path / "models"))


def asking(log: Log, registry: Path, scenario: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        url = SecretStr(log.url("decision_writer"))
        patient = {"decision_log_timeout_seconds": 8, "answer_timeout_seconds": 10}  # where the machine is busy
        settings = {"decision_log": True, "decision_log_database_url": url, "outcome_horizon_days": 90} | patient
        async with (
            transport_to(feature_app(FakeStore([ROW]))) as transport,
            client_of(prediction_app(transport, registry, **settings)) as client,
        ):
            await scenario(client)

    asyncio.run(run())


def today() -> datetime:
    return datetime.now(UTC)


def test_before_the_monitor_has_run_and_without_a_population_the_answers_say_what_is_lacking(
    log: Log, registry: Path
) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        for part in ("stability", "performance", "fairness"):
            answer = await client.get(f"/monitoring/{part}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["lacking"] == "monitor"
        assert (await client.get("/monitoring/alarms")).json() == {"alarms": []}
        assert_problem(await client.get("/monitoring/stability?days=0"), 422, "invalid-request")

    asking(log, registry, scenario)
    step(log, registry, today())

    async def after(client: httpx.AsyncClient) -> None:
        found = (await client.get("/monitoring/stability")).json()
        assert found["lacking"] == "decisions"
        assert {one["psi"] for one in found["quantities"]} == {None}
        assert all(one["too_few"] for one in found["quantities"])

    asking(log, registry, after)


def test_a_promoted_version_without_a_population_serves_and_says_that_it_has_none(log: Log, registry: Path) -> None:
    manifest = json.loads((registry / "first" / "manifest.json").read_text())
    copy_version(registry, "old", files={k: v for k, v in manifest["files"].items() if k != "reference.json"})
    record(log, *(decided(registry, client, today()) for client in range(1, 50)))
    step(log, registry, today())
    activate(registry, "old")
    step(log, registry, today())

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/credit_risk/client_id={ROW['client_id']}")
        assert answer.json()["model_version"] == "old"
        for part in ("stability", "performance", "fairness"):
            found = (await client.get(f"/monitoring/{part}")).json()
            assert (found["model_version"], found["lacking"], found["log_threshold"]) == ("old", "population", None)
        assert (await client.get("/monitoring/stability")).json()["quantities"] == []
        assert (await client.get("/monitoring/stability?model_version=first")).json()["lacking"] is None

    asking(log, registry, scenario)


def test_an_alarm_is_shown_and_closed_and_its_windows_start_anew(log: Log, registry: Path) -> None:
    only_of(registry)
    now = today()
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, now, probability=highest) for client in range(1, 300)))
    step(log, registry, now)

    async def scenario(client: httpx.AsyncClient) -> None:
        [quantity] = (await client.get("/monitoring/stability")).json()["quantities"]
        assert quantity["state"] == "alarm"
        assert quantity["clients"] == 299
        assert quantity["psi"] > 1
        [alarm] = (await client.get("/monitoring/alarms?state=open")).json()["alarms"]
        assert (alarm["stream"], alarm["severity"]) == ("score", "large")
        assert alarm["log_e"] >= alarm["log_threshold"]
        address = f"/monitoring/alarms/{alarm['id']}/acknowledge"
        assert_problem(await client.post(address, json={"action": "adopt_reference"}), 409, "alarm-not-adoptable")
        assert (await client.post(address, json={"action": "keep_reference"})).status_code == 204
        assert_problem(await client.post(address, json={"action": "keep_reference"}), 409, "alarm-not-open")
        other = "/monitoring/alarms/00000000-0000-7000-8000-000000000000/acknowledge"
        assert_problem(await client.post(other, json={"action": "keep_reference"}), 404, "alarm-not-found")
        [closed] = (await client.get("/monitoring/alarms")).json()["alarms"]
        assert (closed["state"], closed["action"]) == ("acknowledged", "keep_reference")

    asking(log, registry, scenario)
    step(log, registry, now)
    assert log.execute("SELECT count(*) FROM monitoring_alarms") == [(1,)]
    step(log, registry, now + timedelta(days=1))
    assert log.execute("SELECT count(*) FROM monitoring_alarms") == [(1,)]


def test_a_window_of_a_thousand_clients_becomes_the_reference(log: Log, registry: Path) -> None:
    only_of(registry)
    now = today()
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, now, probability=highest) for client in range(1, 1_101)))
    step(log, registry, now)
    [[alarm]] = log.execute("SELECT id FROM monitoring_alarms")
    assert isinstance(alarm, UUID)

    async def adopt() -> None:
        async with open_database(Source(log.url("decision_writer"), None, 10), 1) as database:
            with pytest.raises(NotAdoptable):
                await acknowledge(database, alarm, ("adopt_reference", None), None, now.date())
            await acknowledge(database, alarm, ("adopt_reference", "ann"), population(registry), now.date())

    asyncio.run(adopt())
    later = now + timedelta(days=1)
    record(log, *(decided(registry, client, later, probability=highest) for client in range(2_000, 2_300)))
    step(log, registry, later)
    assert log.execute("SELECT state, closed_by FROM monitoring_alarms") == [("acknowledged", "ann")]
    adopted = log.execute("SELECT sum(one) FROM monitoring_streams, unnest(adopted) AS one WHERE stream = 'score'")
    assert adopted == [(1_100,)]


def test_an_alarm_is_not_opened_again_by_evidence_that_was_computed_while_it_was_acknowledged(
    log: Log, registry: Path
) -> None:
    only_of(registry)
    now = today()
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, now, probability=highest) for client in range(1, 301)))
    step(log, registry, now)
    [[alarm, version, since, log_e]] = log.execute("SELECT id, model_version, since, log_e FROM monitoring_alarms")
    late = Evidence(float(str(log_e)), since)  # type: ignore[arg-type]
    opened = Alarm(
        stream="score", since=since, log_e=late.log_e, log_threshold=11.0, size=None, severity="large", largest=None
    )

    async def scenario() -> None:
        async with open_database(Source(log.url("decision_monitor"), None, 10), 1) as monitoring:
            watching = Watching(monitoring)
            async with open_database(Source(log.url("decision_writer"), None, 10), 1) as database:
                await acknowledge(database, alarm, ("keep_reference", "ann"), None, now.date())  # type: ignore[arg-type]
            await watching._said(str(version), "score", (late, 11.0), opened)

    asyncio.run(scenario())
    assert log.execute("SELECT state FROM monitoring_alarms") == [("acknowledged",)]
    assert log.execute("SELECT since FROM monitoring_streams WHERE stream = 'score'") == [(None,)]


def test_outcomes_groups_and_the_challenger_are_shown(
    log: Log, registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_version(registry, "second")
    old = NOW - timedelta(days=200)
    entries = as_trained(registry, range(1, 400), old)
    record(log, *entries)
    outcomes = [
        Outcome(one.listed.decision_id, old + timedelta(days=60), number % 5 == 0) for number, one in enumerate(entries)
    ]
    log.asked(lambda opened: opened.outcomes.add(outcomes))
    (registry / "challenger").write_text("second\n")
    step(log, registry, today(), outcome_horizon_days=90)

    async def scenario(client: httpx.AsyncClient) -> None:
        found = (await client.get("/monitoring/performance?by=month")).json()
        assert found["lacking"] is None
        assert found["total"]["outcomes"] == 399
        [month] = found["periods"]
        assert month["month"] == f"{old:%Y-%m}"
        assert 0 <= month["auc"]["low"] < month["auc"]["high"] <= 1
        assert found["comparison"]["challenger"] == "second"
        assert found["comparison"]["better"] is False
        [group] = (await client.get("/monitoring/fairness")).json()["groups"]
        assert group["group"] == "age_62"
        assert group["clients"] + group["others"] == 399
        assert group["air"]["value"] > 0
        assert group["smd"]["low"] < group["smd"]["high"]

    asking(log, registry, scenario)
    monkeypatch.setenv("PREDICTION_SERVICE_MONITOR_DATABASE_URL", log.url("decision_monitor"))
    assert main(["promote", "second", "--model-dir", str(registry), "--when-proven", "0.05"]) == 1
    assert "Not proven" in capsys.readouterr().err


def test_another_version_is_shown_with_its_own_decisions_and_the_evidence_of_when_it_decided(
    log: Log, registry: Path
) -> None:
    only_of(registry)
    now = today()
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, now, probability=highest) for client in range(1, 300)))
    step(log, registry, now)
    copy_version(registry, "second")
    activate(registry, "second")
    record(log, *(decided(registry, client, now, model_version="second") for client in range(1, 51)))
    step(log, registry, now)

    async def scenario(client: httpx.AsyncClient) -> None:
        for part in ("stability", "performance", "fairness"):
            assert (await client.get(f"/monitoring/{part}")).json()["model_version"] == "second"
            named = (await client.get(f"/monitoring/{part}?model_version=first")).json()
            assert named["model_version"] == "first"
            for nothing in ("third", "..", "%00"):
                answer = await client.get(f"/monitoring/{part}?model_version={nothing}")
                assert_problem(answer, 404, "model-not-found")
        [of_second] = (await client.get("/monitoring/stability?model_version=second")).json()["quantities"]
        found = (await client.get("/monitoring/stability?model_version=first")).json()
        [of_first] = found["quantities"]
        assert (of_first["clients"], of_second["clients"]) == (299, 50)
        assert found["lacking"] is None
        assert of_first["log_e"] >= found["log_threshold"]
        assert of_first["state"] == "quiet"  # the promotion has superseded the alarm

    asking(log, registry, scenario)
