"""Writes, erasures, imports and loads in any order come to what the one law of time says, now and as of any instant."""

import asyncio
import csv
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from card_payments import CARDS
from db_init.settings import Settings
from feature_service.settings import Settings as FeatureSettings
from feature_service.store.online import OnlineWrites
from feature_service.store.online import Said as Written
from feature_service.store.opening import open_writer
from feature_service.store.postgresql.writer import WriteMetrics
from law import Event, InForce, in_force
from loans import run
from local_stack.postgres import Server
from service_kit.request.ask import Ask

START = datetime(2020, 1, 1, tzinfo=UTC)
INSTANTS = [START + timedelta(days=30 * n) for n in range(6)]
CLIENTS = (1, 2)
Said = dict[str, Any]


@dataclass
class Law:
    """What was said, for the law by brute force. Raw events by id: client, instant, amount, shop, opened, order of reception. Writes likewise."""

    raw: dict[int, tuple[int, datetime, int, str, str, int]] = field(default_factory=dict)
    writes: list[tuple[int, datetime, int, Said]] = field(default_factory=list)
    received: int = 0
    days: int = 90

    def said(self, event: int) -> Said:
        client, at, _, shop, opened, _ = self.raw[event]
        own = [(one[1], one[2]) for one in self.raw.values() if one[0] == client and one[1] < at]
        recent = [amount for then, amount in own if (at - then).total_seconds() <= self.days * 86_400]
        return {
            "payments": len(own), "spent_90_days": float(sum(recent)) if recent else None, "shop": shop or None,
            "years_open": {"since": opened} if opened else None,
        }  # fmt: skip

    def as_of(self, client: int, until: datetime | None = None) -> InForce | None:
        raw = [(one[5], Event(one[1], self.said(event), event)) for event, one in self.raw.items() if one[0] == client]
        written = [(order, Event(at, said)) for who, at, order, said in self.writes if who == client]
        return in_force([event for _, event in sorted([*raw, *written], key=lambda one: one[0])], until)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "payments": st.integers(0, 9), "spent_90_days": st.sampled_from([0.1, 1e15, None]),
    "shop": st.sampled_from(["food", "it's, \"new\"", None]), "years_open": st.integers(0, 9) | st.none(),
    "income": st.sampled_from([1234.5, None]),
}  # fmt: skip
SAID = st.dictionaries(st.sampled_from(list(VALUES)), st.just(0), min_size=1).flatmap(
    lambda keys: st.fixed_dictionaries({key: VALUES[key] for key in keys})
)
PAYMENTS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 9), st.sampled_from(["food", "fuel", ""]), st.sampled_from(["2000-02-29", ""])),
    min_size=1, max_size=4, unique_by=lambda one: one[0],
)  # fmt: skip
STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(CLIENTS), st.sampled_from(INSTANTS), SAID),
    st.tuples(st.just("import"), st.sampled_from(CLIENTS), st.sampled_from(INSTANTS), SAID),
    st.tuples(st.just("load"), PAYMENTS),
    st.tuples(st.just("delete"), st.sampled_from(CLIENTS)),
    st.tuples(st.just("recompute"), st.sampled_from([30, 60])),
)

Work = Callable[[OnlineWrites, Ask[object]], Awaitable[Any]]


def written(server: Server, settings: Settings, work: Work) -> Any:
    """Do some work with the writer of the feature service, as its role."""
    name = settings.database_url.get_secret_value().partition("?")[0].rpartition("/")[2]
    url = SecretStr(server.url(name, user="feature_writer"))

    async def scenario() -> Any:
        metrics = WriteMetrics(CollectorRegistry())
        async with open_writer(FeatureSettings(writer_database_url=url), metrics) as writer:
            assert writer is not None
            return await work(writer, Ask("test", asyncio.get_running_loop().time() + 10, None))

    return asyncio.run(scenario())


def imported(settings: Settings, file: Path, client: int, at: datetime, said: Said) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["holder", *said, "event_timestamp"])
        writer.writerow([client, *("" if value is None else value for value in said.values()), at.isoformat()])
    assert run(settings, "import-features", file, "--partial") == 0


def loaded(settings: Settings, file: Path, law: Law, payments: list[tuple[int, int, str, str]]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["payment", "holder", "paid_at", "amount", "shop", "opened", "charged_off"])
        for event, amount, shop, opened in payments:
            client, at = CLIENTS[event % 2], INSTANTS[event % 5]
            writer.writerow([event, client, at.strftime("%Y-%m-%dT%H:%M:%SZ"), amount, shop, opened, event % 2])
            law.raw.setdefault(event, (client, at, amount, shop, opened, law.received))
    assert run(settings, "load", file) == 0


def changed_pipeline(folder: Path, days: int) -> None:
    """`days`: the length of the window of spent_90_days."""
    text = (CARDS / "pipeline.py").read_text()
    assert "preceding=(90 * 86_400, 1)" in text
    (folder / "pipeline.py").write_text(text.replace("preceding=(90 * 86_400, 1)", f"preceding=({days} * 86_400, 1)"))


def done(server: Server, settings: Settings, folder: Path, law: Law, step: tuple[Any, ...]) -> None:
    law.received += 1
    match step:
        case ("load", payments):
            loaded(settings, folder / "payments.csv", law, payments)
        case ("recompute", days):
            law.days = days
            changed_pipeline(folder, days)
            assert run(settings, "load", "--recompute") == 0
        case ("delete", client):
            known = law.as_of(client) is not None
            erased = written(server, settings, lambda writer, ask: writer.erase(client, "holder", ask))
            assert erased or not known  # a refused line alone is a trace, too
            law.raw = {event: one for event, one in law.raw.items() if one[0] != client}
            law.writes = [one for one in law.writes if one[0] != client]
        case (door, client, at, said):
            law.writes.append((client, at, law.received, said))
            if door == "import":
                imported(settings, folder / "vectors.csv", client, at, said)
                return
            stale = written(server, settings, lambda writer, ask: writer.write(client, Written(at, said), ask))
            newest, _, times = law.as_of(client) or (at, {}, {})
            assert sorted(stale) == sorted(key for key in said if times.get(key, newest) > at)


def found(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for *place, at, v, times in rows:
        yield *place, at, v, {key: datetime.fromisoformat(text) for key, text in (times or {}).items()}


@pytest.fixture
def cards(settings: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(CARDS, tmp_path, dirs_exist_ok=True)
    assert run(settings, "apply", tmp_path / "cards.toml") == 0
    return settings


@example(
    [
        ("load", [(1, 5, "food", ""), (3, 6, "food", ""), (2, 7, "food", ""), (4, 8, "fuel", "")]),
        ("put", 2, INSTANTS[5], {"spent_90_days": 0.1}),
        ("put", 2, INSTANTS[2], {"payments": 9}),
        ("import", 1, INSTANTS[1], {"shop": "food"}),
        ("delete", 1),
        ("recompute", 30),
    ]
)
@given(st.lists(STEP, min_size=1, max_size=7))
@hypothesis_settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_order_of_events_comes_to_what_the_law_says(
    server: Server, cards: Settings, tmp_path: Path, steps: list[Any]
) -> None:
    law = Law()
    changed_pipeline(tmp_path, law.days)
    with closing(psycopg.connect(cards.database_url.get_secret_value(), autocommit=True)) as connection:
        connection.execute("SET timezone = 'Asia/Kolkata'")  # never matters
        connection.execute("TRUNCATE feature_history, online_features, quarantine")
        for step in steps:
            done(server, cards, tmp_path, law, step)
            online = connection.execute(
                "SELECT client_id, event_timestamp, v, times FROM online_features ORDER BY 1"
            ).fetchall()
            expected = [(client, *now) for client in CLIENTS if (now := law.as_of(client))]
            assert list(found(online)) == expected
        asked = [
            (client, at + shift) for client in CLIENTS for at in INSTANTS for shift in (timedelta(0), timedelta(days=1))
        ]
        answered = connection.execute(
            'SELECT "position", event_timestamp, v, times FROM features_as_of(%s, %s) ORDER BY 1',
            [[client for client, _ in asked], [at for _, at in asked]],
        ).fetchall()
        then = [(n, *state) for n, (client, at) in enumerate(asked, 1) if (state := law.as_of(client, at))]
        assert list(found(answered)) == then
