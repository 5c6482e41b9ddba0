"""Both services on a real log: what is answered is recorded, proved, replayed, stated, reviewed and erased."""

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from both_services import FakeStore, assert_problem
from deciding import deciding, sequence
from decision_log.tree import tlog_proof
from decisions import Log
from prediction_service.policy.folder import apply_policy
from prediction_service.recording.origin import AnotherLog
from prediction_service.versions.serving import verified

DECLINE_ALL = b'name = "strict"\nversion = "1"\ndecline_from = 0.0\n'
REFER_MISSING = b'name = "ask"\nversion = "1"\n[[refer_when]]\nfeature = "years_on_the_job"\nstate = ["missing"]\n'


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    """A registry of its own, whose version marks two inputs as actionable."""
    folder = Path(copytree(model_dir, tmp_path / "models"))
    file = folder / "first" / "manifest.json"
    manifest = json.loads(file.read_text())
    for feature in manifest["features"]:
        feature["actionable"] = feature["name"] in ("nb_previous_loans", "flag_own_car", "avg_amount_loans_previous")
    file.write_text(json.dumps(manifest))
    return folder


def test_an_answer_is_recorded_before_it_leaves_and_its_commitment_fits_the_record(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            answer = await client.get("/credit_risk/client_id=5", headers={"X-Request-ID": "r-1"})
            said = answer.json()
            assert answer.headers["cache-control"] == "no-store"
            record = await client.get(f"/decisions/{said['decision_id']}")
            rows: list[Any] = list(
                log.execute("SELECT record, salt, commitment FROM records WHERE decision_id = %s", said["decision_id"])
            )
            [(stored, salt, commitment)] = rows
            assert bytes(stored) == record.content
            assert base64.b64decode(said["commitment"]) == bytes(commitment)
            assert hmac.digest(bytes(salt), record.content, "sha256") == bytes(commitment)
            kept = record.json()
            for name in (
                "decision_id",
                "decision",
                "label",
                "score",
                "probability",
                "threshold",
                "client_id",
                "imputed",
            ):
                assert kept[name] == said[name]
            assert kept["request_id"] == "r-1"
            assert (kept["kind"], kept["origin"], kept["caller"]) == ("decision", "request", None)
            assert UUID(said["decision_id"]).version == 7

    asyncio.run(scenario())


def test_every_element_of_a_batch_is_a_decision_of_its_own(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            answer = await client.post("/credit_risk/batch", json={"client_ids": [5, 6, 5, 9]})
            ids = [one["decision_id"] for one in answer.json()["predictions"]]
            assert len(set(ids)) == 3
            listed = (await client.get("/decisions", params={"limit": 2})).json()
            assert [one["decision_id"] for one in listed["decisions"]] == sorted(ids, reverse=True)[:2]
            assert {one["origin"] for one in listed["decisions"]} == {"batch"}
            rest = (await client.get("/decisions", params={"before": listed["next_before"]})).json()
            assert [one["decision_id"] for one in rest["decisions"]] == sorted(ids)[:1]
            assert rest["next_before"] is None
            today = (await client.get("/decisions/counts")).json()["days"]
            assert sum(day["approve"] + day["refer"] + day["decline"] for day in today) == 3

    asyncio.run(scenario())


def test_a_preview_and_values_without_a_client_are_not_recorded(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            preview = (await client.post("/credit_risk/client_id=5/preview")).json()
            decided = (await client.get("/credit_risk/client_id=5")).json()
            own = {"decision_id", "commitment"}
            assert {k: v for k, v in preview.items() if k not in own} == {
                k: v for k, v in decided.items() if k not in own
            }
            assert (preview["decision_id"], preview["commitment"]) == (None, None)
            values = (await client.post("/credit_risk", json={"age": 33})).json()
            assert {"decision", "policy_version"} <= values.keys()
            assert not own & values.keys()
            assert log.execute("SELECT count(*) FROM records") == [(1,)]

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["/credit_risk/client_id=5", "/credit_risk/batch", "/decisions"])
def test_head_decides_nothing(log: Log, registry: Path, url: str) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            assert (await client.head(url)).status_code == 405

    asyncio.run(scenario())


def test_no_answer_leaves_unrecorded_while_the_log_is_away(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        away = SecretStr("postgresql://decision_writer@127.0.0.1:1/decisions")
        async with deciding(log, registry, decision_log_database_url=away) as (client, _):
            loop = asyncio.get_running_loop()
            started = loop.time()
            answer = await client.get("/credit_risk/client_id=5", headers={"X-Request-Timeout-Ms": "400"})
            assert_problem(answer, 503, "decision-log-unavailable")
            assert loop.time() - started < 0.6
            assert (await client.post("/credit_risk/client_id=5/preview")).status_code == 200

    asyncio.run(scenario())


def test_recording_is_turned_off_knowingly(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry, decision_log="off") as (client, _):
            answer = (await client.get("/credit_risk/client_id=5")).json()
            assert (answer["decision_id"], answer["commitment"]) == (None, None)
            assert (await client.get("/health/ready")).json()["decision_log"] == "off"
            assert "decision_log_recording 0.0" in (await client.get("/metrics")).text
            assert_problem(await client.get("/decisions"), 404, "decision-log-off")

    asyncio.run(scenario())


def test_a_proof_is_fetched_and_verified_offline(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            said = (await client.get("/credit_risk/client_id=5")).json()
            address = f"/decisions/{said['decision_id']}"
            assert_problem(await client.get(f"{address}/proof"), 503, "not-sequenced-yet")
            sequence(log)
            proof = await client.get(f"{address}/proof")
            assert proof.headers["content-type"].startswith("text/plain")
            record = (await client.get(address)).content
            parsed = tlog_proof.parsed(proof.text)
            entry = hmac.digest(parsed.extra, record, "sha256")
            assert tlog_proof.verified(parsed, entry, log.vkey).size == 1
            checkpoint = await client.get("/decision_log/checkpoint")
            assert checkpoint.text.startswith("localhost/decisions\n1\n")
            assert checkpoint.headers["cache-control"] == "no-cache"
            bundle = await client.get("/decision_log/tile/entries/000.p/1")
            assert bundle.content == b"\x00\x20" + entry
            assert "immutable" in bundle.headers["cache-control"]
            assert_problem(await client.get("/decision_log/tile/0/001"), 404, "not-found")

    asyncio.run(scenario())


def test_a_replay_is_identical_to_the_bit_until_the_model_is_another(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        apply_policy(registry, DECLINE_ALL)
        async with deciding(log, registry) as (client, _):
            ids = [(await client.get(f"/credit_risk/client_id={i}")).json()["decision_id"] for i in (5, 6)]
            for one in ids:
                replay = await client.post(f"/decisions/{one}/replay")
                assert replay.json() == {"identical": True, "differences": []}
            other = await client.post(f"/decisions/{ids[0]}/replay", params={"model_version": "first"})
            assert (other.json()["differences"], other.json()["recorded"]) == ([], other.json()["replayed"])
            gone = await client.post(f"/decisions/{ids[0]}/replay", params={"model_version": "none"})
            assert_problem(gone, 409, "model-gone")
            (registry / "policy.toml").unlink()
            (registry / "policies" / "strict-1.toml").unlink()
            assert_problem(await client.post(f"/decisions/{ids[0]}/replay"), 409, "model-gone")

    asyncio.run(scenario())


def test_a_statement_names_variations_that_are_verified(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        threshold = verified(registry / "first").threshold
        async with deciding(log, registry) as (client, store):
            declined = await _declined(client, store)
            statement = (await client.get(f"/decisions/{declined['decision_id']}/statement")).json()
            assert statement["reasons"] == [
                {"code": reason["code"], "text": reason["text"]} for reason in declined["reason_codes"]
            ]
            assert [each["feature"] for each in statement["variations"]] == [
                "nb_previous_loans", "avg_amount_loans_previous", "flag_own_car"
            ]  # fmt: skip
            assert any(each["to"] is not None for each in statement["variations"])
            for each in statement["variations"]:
                assert each["from"] == declined["input_variables"][each["feature"]]
                if each["to"] is not None:
                    values = declined["input_variables"] | {each["feature"]: each["to"]}
                    again = (await client.post("/credit_risk", json=values)).json()
                    assert again["probability"] < threshold
                    assert again["decision"] == "approve"
            assert "Equal Credit Opportunity Act" in statement["notice"]
            page = await client.get(
                f"/decisions/{declined['decision_id']}/statement",
                headers={"Accept": "text/html,application/json;q=0.5"},
            )
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "<script" not in page.text

    asyncio.run(scenario())


async def _declined(client: httpx.AsyncClient, store: FakeStore) -> Any:
    """A decision that was declined, explained."""
    from law import Event  # noqa: PLC0415

    for number, (loans, age) in enumerate((n, a) for n in range(0, 40, 3) for a in range(20, 70, 5)):
        values = {
            "nb_previous_loans": loans,
            "avg_amount_loans_previous": 150.0,
            "age": age,
            "years_on_the_job": 1,
            "flag_own_car": 0,
        }
        store.add(100 + number, Event(datetime(2024, 1, 1, tzinfo=UTC), values))
        answer = (await client.get(f"/credit_risk/client_id={100 + number}", params={"explain": "true"})).json()
        if answer["decision"] == "decline":
            return answer
    raise AssertionError("nobody was declined")


def test_a_rule_that_refers_is_the_first_reason(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        apply_policy(registry, REFER_MISSING)
        async with deciding(log, registry) as (client, _):
            said = (await client.get("/credit_risk/client_id=5", params={"explain": "true"})).json()
            if said["label"] == 0:
                assert said["decision"] == "refer"
                record = (await client.get(f"/decisions/{said['decision_id']}")).json()
                assert record["decided_by"] == "refer_when years_on_the_job is missing"
                assert record["reason_codes"][0]["feature"] == "years_on_the_job"
                assert record["reason_codes"] == said["reason_codes"]
            assert said["policy_version"] == "ask-1"

    asyncio.run(scenario())


def test_a_review_is_a_record_and_a_review_of_a_review_is_refused(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            said = (await client.get("/credit_risk/client_id=5")).json()
            address = f"/decisions/{said['decision_id']}/reviews"
            other = "decline" if said["decision"] != "decline" else "approve"
            made = await client.post(address, json={"conclusion": "changed", "decision": other, "comment": "a call"})
            assert made.status_code == 201
            review = (await client.get(f"/decisions/{made.json()['decision_id']}")).json()
            assert (review["kind"], review["reviews"], review["decision"]) == ("review", said["decision_id"], other)
            assert (await client.get(address)).json() == {"reviews": [review]}
            again = await client.post(f"/decisions/{review['decision_id']}/reviews", json={"conclusion": "upheld"})
            assert_problem(again, 409, "not-a-decision")
            same = await client.post(address, json={"conclusion": "changed", "decision": said["decision"]})
            assert_problem(same, 422, "invalid-request")

    asyncio.run(scenario())


def test_reconsidering_is_a_new_decision_that_names_the_earlier(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            said = (await client.get("/credit_risk/client_id=5")).json()
            again = (await client.post(f"/decisions/{said['decision_id']}/reconsider")).json()
            record = (await client.get(f"/decisions/{again['decision_id']}")).json()
            assert (record["reconsiders"], record["origin"]) == (said["decision_id"], "reconsider")

    asyncio.run(scenario())


def test_erasure_keeps_what_is_young_and_leaves_a_record(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            young = (await client.get("/credit_risk/client_id=5")).json()["decision_id"]
            sequence(log)
            assert_problem(await client.delete("/decisions", params={"client_id": 5}), 409, "retention")
            assert (await client.get(f"/decisions/{young}")).status_code == 200
            log.execute("UPDATE records SET decided_at = decided_at - interval '26 months'")
            assert (await client.delete("/decisions", params={"client_id": 5})).status_code == 204
            assert_problem(await client.get(f"/decisions/{young}"), 410, "decision-erased")
            assert_problem(await client.get(f"/decisions/{young}/proof"), 410, "decision-erased")

    asyncio.run(scenario())


def test_outcomes_are_taken_once(log: Log, registry: Path) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            said = (await client.get("/credit_risk/client_id=5")).json()
            one = {"decision_id": said["decision_id"], "observed_at": datetime.now(UTC).isoformat(), "defaulted": True}
            early = one | {"observed_at": "2020-01-01T00:00:00Z"}
            unknown = one | {"decision_id": "0197b0a0-0000-7000-8000-000000000000"}
            answer = (await client.post("/outcomes", json={"outcomes": [one, early, unknown]})).json()
            assert answer == {
                "accepted": 1,
                "unchanged": 0,
                "unknown": [unknown["decision_id"]],
                "refused": [{"decision_id": said["decision_id"], "reason": "before_decision"}],
            }
            again = (await client.post("/outcomes", json={"outcomes": [one]})).json()
            assert (again["accepted"], again["unchanged"]) == (0, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("suffix", ["", "/proof", "/statement", "/reviews"])
def test_ids_that_are_none_or_unknown_are_told_apart(log: Log, registry: Path, suffix: str) -> None:
    async def scenario() -> None:
        async with deciding(log, registry) as (client, _):
            for text in ("5", "0197b0a0000070008000000000000000", "{0197b0a0-0000-7000-8000-000000000000}"):
                assert_problem(await client.get(f"/decisions/{text}{suffix}"), 422, "invalid-request")
            unknown = await client.get(f"/decisions/0197b0a0-0000-7000-8000-000000000000{suffix}")
            assert_problem(unknown, 404, "decision-not-found")

    asyncio.run(scenario())


def test_a_log_of_another_origin_is_complained_of_and_refused_to_a_demo_clock(
    log: Log, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def started(**options: Any) -> str:
        async with deciding(log, registry, **options) as (client, _):
            assert (await client.get("/credit_risk/client_id=5")).status_code == 200
        return capsys.readouterr().out

    said = "decision_log_has_another_origin"
    assert said not in asyncio.run(started(decision_log_origin="bank.example/decisions"))  # no checkpoint yet
    sequence(log)
    assert said not in asyncio.run(started())
    warned = asyncio.run(started(decision_log_origin="bank.example/decisions"))
    assert said in warned
    assert "localhost/decisions" in warned
    clock = tmp_path / "clock"
    clock.write_text("2024-05-01T12:00:00+00:00")
    before = log.execute("SELECT count(*) FROM records")
    with pytest.raises(AnotherLog, match="localhost/decisions"):
        asyncio.run(started(decision_log_origin="demo/drift", demo_clock=clock))
    log.execute("REVOKE SELECT ON checkpoints FROM decision_writer")
    with pytest.raises(AnotherLog, match="unavailable"):
        asyncio.run(started(decision_log_origin="demo/drift", demo_clock=clock))
    assert log.execute("SELECT count(*) FROM records") == before
    assert said not in asyncio.run(started(decision_log_origin="bank.example/decisions"))  # not known is no complaint
