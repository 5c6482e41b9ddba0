"""The monitor on a real log: who counts, what becomes of outcomes, which alarms open and close."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from uuid import uuid4

import psycopg
import pytest

from decision_log import Entry, Outcome
from decision_log.sequencer.tree_store import LOCK as SEQUENCER_LOCK
from decisions import Log
from prediction_service.monitor.process import run_once
from prediction_service.versions.folder import activate
from registries import copy_version
from watched import NOW, as_trained, decided, only_of, population, record, settings_of, step


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    return Path(copytree(model_dir, tmp_path / "models"))


def counts(log: Log, stream: str = "score") -> list[tuple[object, ...]]:
    return log.execute(
        "SELECT day::text, previous_day::text, bin, clients FROM monitoring_counts WHERE stream = %s"
        " ORDER BY day, previous_day NULLS FIRST, bin",
        stream,
    )


def test_a_client_counts_once_a_day_and_only_for_what_was_asked_for(log: Log, registry: Path) -> None:
    yesterday = NOW - timedelta(days=1)
    record(log, decided(registry, 5, yesterday), *(decided(registry, 5) for _ in range(30)))
    record(log, decided(registry, 5, origin="portfolio"), decided(registry, 6, origin="reconsider"))
    record(log, decided(registry, 6, origin="batch", failed=["age"]))
    assert step(log, registry) == 3
    score = population(registry).score.bin_of(0.2)
    assert counts(log) == [
        ("2026-11-19", None, score, 1),
        ("2026-11-20", None, score, 1),
        ("2026-11-20", "2026-11-19", score, 1),
    ]
    age = next(feature for feature in population(registry).features if feature.name == "age")
    missing = len(age.counts) - 1
    assert [row[2] for row in counts(log, "age") if row[1] is None] == [age.bin_of(43), missing]
    assert step(log, registry) == 0
    assert len(counts(log)) == 3


def test_what_has_piled_up_is_counted_in_a_share_of_the_time(
    log: Log, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(log, *(decided(registry, client) for client in range(1, 6)))
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("prediction_service.monitor.folding.AT_ONCE", 2)
    with monkeypatch.context() as patched:
        patched.setattr("prediction_service.monitor.folding.asyncio.sleep", rest)
        assert step(log, registry, share=0.001) == 5
    assert len([seconds for seconds in rests if seconds > 0.1]) == 2  # after each full part


def test_after_a_step_back_of_the_clock_a_client_counts_no_second_time(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5))
    step(log, registry)
    record(log, decided(registry, 5, NOW - timedelta(days=3)), decided(registry, 5, NOW - timedelta(days=2)))
    assert step(log, registry) == 0


def test_decisions_of_a_version_without_a_population_or_of_another_manifest_do_not_count(
    log: Log, registry: Path
) -> None:
    manifest = json.loads((registry / "first" / "manifest.json").read_text())
    copy_version(registry, "old", files={k: v for k, v in manifest["files"].items() if k != "reference.json"})
    record(log, decided(registry, 5, model_version="old"), decided(registry, 6, manifest_sha256="0" * 64))
    assert step(log, registry) == 0
    activate(registry, "old")
    assert step(log, registry) == 0
    assert log.execute("SELECT champion FROM monitoring_progress") == [("old",)]


def test_a_number_that_no_record_took_holds_nothing_up(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5))
    log.execute("SELECT nextval(pg_get_serial_sequence('records', 'arrival'))")
    record(log, decided(registry, 6))
    assert step(log, registry) == 2


def held_back(log: Log, client_id: int) -> tuple[str, tuple[object, ...]]:
    """Takes a record out of the table: the statement and the values that put it in again."""
    [[columns]] = log.execute(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns"
        " WHERE table_name = 'records' AND column_name <> 'arrival'"
    )
    [row] = log.execute(f"SELECT {columns} FROM records WHERE client_id = %s", client_id)
    log.execute("DELETE FROM records WHERE client_id = %s", client_id)
    return f"INSERT INTO records ({columns}) VALUES ({', '.join(['%s'] * len(row))})", row


def test_a_record_that_commits_after_its_day_was_counted_is_counted_once(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5))
    assert step(log, registry) == 1
    record(log, decided(registry, 6))
    statement, values = held_back(log, 6)
    with psycopg.connect(log.url()) as late:
        late.execute(statement, values)  # it has its number, and is not committed
        record(log, decided(registry, 7))
        assert step(log, registry) == 0  # a later number is not passed over an earlier one
    assert step(log, registry) == 2
    assert step(log, registry) == 0
    assert [row[3] for row in counts(log)] == [3]
    assert log.execute("SELECT array_agg(client_id ORDER BY arrival) FROM records") == [([5, 6, 7],)]


def test_a_record_that_commits_while_the_monitor_waits_for_it_is_counted_once(log: Log, registry: Path) -> None:
    record(log, decided(registry, 6))
    statement, values = held_back(log, 6)
    with ThreadPoolExecutor(1) as other, psycopg.connect(log.url()) as late:
        late.execute(statement, values)
        record(log, decided(registry, 7))
        counted = other.submit(step, log, registry)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'decision_monitor' AND datname = current_database()"
        )
        while log.execute(waiting) == [(0,)]:
            time.sleep(0.01)
        late.commit()
        assert counted.result() == 2
    assert [row[3] for row in counts(log)] == [2]


def test_a_client_of_two_versions_in_one_day_counts_for_each(log: Log, registry: Path) -> None:
    copy_version(registry, "second")
    record(log, decided(registry, 5))
    step(log, registry)
    activate(registry, "second")
    record(log, decided(registry, 5, model_version="second"), decided(registry, 5, model_version="second"))
    assert step(log, registry) == 1
    kept = log.execute(
        "SELECT model_version, day::text, previous_day, sum(clients)::int FROM monitoring_counts WHERE stream = 'score'"
        " GROUP BY 1, 2, 3 ORDER BY 1"
    )
    assert kept == [("first", "2026-11-20", None, 1), ("second", "2026-11-20", None, 1)]


def evidence(log: Log, version: str = "first") -> tuple[object, ...]:
    [found] = log.execute(
        "SELECT log_e, since::text FROM monitoring_streams WHERE stream = 'score' AND model_version = %s", version
    )
    return found


def test_days_without_decisions_change_no_evidence_until_they_are_a_year(log: Log, registry: Path) -> None:
    only_of(registry)
    record(log, *as_trained(registry, range(1_000, 1_060), NOW - timedelta(days=6)))
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, NOW - timedelta(days=3), probability=highest) for client in range(4)))
    step(log, registry)
    before = evidence(log)
    assert before[1] == "2026-11-17"  # of equal starts the one with decisions
    step(log, registry, NOW + timedelta(days=30))
    assert evidence(log) == before
    record(log, *as_trained(registry, range(50_000, 50_060), NOW + timedelta(days=31), seed=1))
    step(log, registry, NOW + timedelta(days=31))
    assert evidence(log) != before
    step(log, registry, NOW + timedelta(days=500))
    assert evidence(log) == (None, None)
    assert alarms(log) == []


def test_a_clock_that_steps_back_behind_what_was_done_stops_nothing(log: Log, registry: Path) -> None:
    copy_version(registry, "second")
    record(log, decided(registry, 5))
    step(log, registry)
    activate(registry, "second")
    ahead = NOW + timedelta(days=900)
    record(log, decided(registry, 6, ahead, model_version="second"))
    assert step(log, registry, ahead) == 1
    record(log, decided(registry, 7, NOW, model_version="second"))
    assert step(log, registry, NOW + timedelta(minutes=1), outcomes=False) == 1
    [progress] = log.execute("SELECT champion, champion_since::text, matured_at FROM monitoring_progress")
    assert progress == ("second", "2026-11-20", NOW + timedelta(minutes=1))
    assert evidence(log, "second")[1] is not None
    step(log, registry, NOW + timedelta(minutes=2), outcomes=False)
    assert log.execute("SELECT matured_at FROM monitoring_progress") == [(NOW + timedelta(minutes=1),)]


def alarms(log: Log) -> list[tuple[object, ...]]:
    return log.execute("SELECT stream, state, since::text, severity FROM monitoring_alarms ORDER BY stream, opened_at")


def test_a_shifted_score_alarms_once_since_the_shift_and_a_promotion_supersedes_it(log: Log, registry: Path) -> None:
    only_of(registry)
    for day in range(7, 0, -1):
        at = NOW - timedelta(days=day)
        record(log, *as_trained(registry, range(day * 1_000, day * 1_000 + 60), at, seed=day))
    step(log, registry)
    assert alarms(log) == []
    highest = population(registry).histogram.upto[-1]
    record(log, *(decided(registry, client, probability=highest) for client in range(1, 80)))
    step(log, registry)
    step(log, registry)
    assert alarms(log) == [("score", "open", "2026-11-20", "large")]
    copy_version(registry, "second")
    activate(registry, "second")
    step(log, registry)
    assert alarms(log) == [("score", "superseded", "2026-11-20", "large")]
    assert log.execute("SELECT champion, champion_since::text FROM monitoring_progress") == [("second", "2026-11-20")]


def test_an_outcome_counts_at_the_horizon_and_a_correction_replaces_it(log: Log, registry: Path) -> None:
    young, old = decided(registry, 5, NOW - timedelta(days=80)), decided(registry, 6, NOW - timedelta(days=100))
    again = decided(registry, 6, NOW - timedelta(days=95))
    record(log, young, old, again)

    def observed(entry: Entry, days_ago: int, defaulted: bool) -> None:
        outcome = Outcome(entry.listed.decision_id, NOW - timedelta(days=days_ago), defaulted)
        log.asked(lambda opened: opened.outcomes.add([outcome]))

    observed(young, 50, True)
    observed(old, 50, True)
    step(log, registry, outcome_horizon_days=90)
    [[months, total, sums]] = log.execute(
        "SELECT count(*), min(figures ->> 'defaults'), min(sums[1]) FROM monitoring_months"
    )
    assert (months, total) == (1, "1")
    [[decisions]] = log.execute("SELECT report ->> 'decisions' FROM monitoring_reports WHERE name = 'total'")
    assert decisions == "1"  # the second decision about the client lies within the horizon of the first
    observed(old, 40, False)
    step(log, registry, outcome_horizon_days=90)
    [[defaults, corrected]] = log.execute("SELECT figures ->> 'defaults', sums[1] FROM monitoring_months")
    assert defaults == "0"
    assert corrected != sums


def test_an_outcome_that_comes_long_after_the_horizon_counts_in_the_month_of_its_decision(
    log: Log, registry: Path
) -> None:
    entry = decided(registry, 5, NOW - timedelta(days=300))
    record(log, entry)
    step(log, registry, outcome_horizon_days=90)
    of_month = "SELECT month::text, figures ->> 'decisions', figures ->> 'outcomes' FROM monitoring_months"
    assert log.execute(of_month) == [("2026-01-01", "1", "0")]
    late = Outcome(entry.listed.decision_id, NOW - timedelta(days=1), True)
    log.asked(lambda opened: opened.outcomes.add([late]))
    step(log, registry, outcome_horizon_days=90)
    step(log, registry, outcome_horizon_days=90)
    assert log.execute(of_month) == [("2026-01-01", "1", "1")]


def test_rebuilding_gives_the_same_counts_and_keeps_those_of_days_with_erased_records(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5, NOW - timedelta(days=2)), decided(registry, 5), decided(registry, 6))
    step(log, registry)
    before = counts(log)
    assert step(log, registry, rebuild=True) == 3
    assert counts(log) == before
    [[erased]] = log.execute("SELECT decision_id FROM records WHERE client_id = 6")
    log.execute("INSERT INTO erasures VALUES (%s, %s)", erased, uuid4())
    log.execute("DELETE FROM records WHERE client_id = 6")
    kept = counts(log)
    step(log, registry, rebuild=True)
    assert [row for row in counts(log) if row in kept] == kept


def test_of_two_monitors_one_works(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5))
    settings = settings_of(log, registry)

    async def scenario() -> list[int | None]:
        return list(await asyncio.gather(run_once(settings), run_once(settings)))

    assert sorted(asyncio.run(scenario()), key=str) == [1, None]


def test_the_monitor_works_beside_a_sequencer(log: Log, registry: Path) -> None:
    record(log, decided(registry, 5))
    with psycopg.connect(log.url()) as sequencer:
        sequencer.execute("SELECT pg_advisory_lock(%s)", [SEQUENCER_LOCK])
        assert asyncio.run(run_once(settings_of(log, registry))) == 1
