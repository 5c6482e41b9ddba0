"""`score-all`: each client is decided as a single one would be, recorded once where that is asked for, continued after an end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import AnyHttpUrl, SecretStr

from both_services import CREDIT_DEFAULT, FakeFollowed, FakeStore
from credit_default import ROW, SET
from deciding import deciding, served_features
from decisions import Log
from feature_service.definitions.served import ServedSet
from prediction_service.policy.folder import apply_policy
from prediction_service.portfolio.scoring import Options, Portfolio, ScoringFailed
from prediction_service.settings import Settings
from service_kit.request.ask import Ask
from shared_schemas import FeatureSet

ROWS = [ROW | {"client_id": 10 + n, "age": 20 + n, "nb_previous_loans": n} for n in range(40)]
ROWS += [ROW | {"client_id": 60, "age": 130}, ROW | {"client_id": 61, "years_on_the_job": None}]
_OF_A_PAGE = 30


class NoSpace(Exception):
    """The run ends here."""


def scoring(
    log: Log,
    registry: Path,
    work: Callable[[Callable[[Options], Portfolio]], Awaitable[None]],
    stop_after: int = 10**9,
    store: FakeStore | None = None,
) -> int:
    """How many clients were decided about."""
    done = 0

    def advance(clients: int) -> None:
        nonlocal done
        done += clients
        if done >= stop_after:
            raise NoSpace

    async def run() -> None:
        async with served_features(store or FakeStore(ROWS), max_batch_ids=_OF_A_PAGE) as address:
            settings = Settings(
                model_dir=registry,
                feature_service_url=AnyHttpUrl(address),
                decision_log_database_url=SecretStr(log.url("decision_writer")),
            )
            await work(lambda options: Portfolio(settings, options, advance))

    asyncio.run(run())
    return done


def single_answers(log: Log, registry: Path, store: FakeStore | None = None) -> list[Any]:
    async def ask() -> list[Any]:
        async with deciding(log, registry, store=store or FakeStore(ROWS)) as (client, _):
            paths = [f"/credit_risk/client_id={row['client_id']}/preview?explain=true" for row in ROWS]
            return [(await client.post(path)).json() for path in paths]

    return asyncio.run(ask())


POLICY = b'name = "ask"\nversion = "1"\ndecline_from = 0.18\n[[refer_when]]\nfeature = "age"\nstate = ["failed"]\n'


@pytest.mark.parametrize("record", [False, True])
def test_every_client_is_decided_like_a_single_one(log: Log, model_dir: Path, tmp_path: Path, record: bool) -> None:
    out = tmp_path / "all.parquet"
    registry = Path(copytree(model_dir, tmp_path / "models"))
    apply_policy(registry, POLICY)

    async def work(portfolio: Callable[[Options], Portfolio]) -> None:
        assert await portfolio(Options(out, record=record, reasons=True)).run() == len(ROWS)

    scoring(log, registry, work)
    same = ("client_id", "probability", "score", "label", "decision", "qa_failure_cases", "stale")
    found = pq.read_table(out).to_pylist()
    singles = single_answers(log, registry)
    assert [[row[name] for name in same] for row in found] == [[one[name] for name in same] for one in singles]
    codes = [
        [] if one["decision"] == "approve" else [reason["code"] for reason in one["reason_codes"]] for one in singles
    ]
    assert [row["reasons"] for row in found] == codes
    assert {row["decision"] for row in found} == {"approve", "refer", "decline"}
    recorded = log.execute(
        "SELECT client_id, decision_id::text, decision, score, origin FROM records ORDER BY client_id"
    )
    said = [(row["client_id"], row["decision_id"], row["decision"], row["score"], "portfolio") for row in found]
    assert recorded == (said if record else [])


def test_a_run_that_ended_is_continued_and_records_nobody_twice(log: Log, model_dir: Path, tmp_path: Path) -> None:
    options = Options(tmp_path / "all.parquet", record=True)

    async def end(portfolio: Callable[[Options], Portfolio]) -> None:
        with pytest.raises(NoSpace):
            await portfolio(options).run()

    async def go_on(portfolio: Callable[[Options], Portfolio]) -> None:
        assert await portfolio(options).run() == len(ROWS)

    scoring(log, model_dir, end, stop_after=1)
    scoring(log, model_dir, go_on)
    assert log.execute("SELECT count(*), count(DISTINCT client_id) FROM records") == [(len(ROWS), len(ROWS))]
    assert pq.read_table(options.out).num_rows == len(ROWS)


def test_a_run_of_other_options_is_not_continued(log: Log, model_dir: Path, tmp_path: Path) -> None:
    async def work(portfolio: Callable[[Options], Portfolio]) -> None:
        options = Options(tmp_path / "all.parquet")
        with pytest.raises(NoSpace):
            await portfolio(options).run()
        with pytest.raises(ScoringFailed, match="another model, policy or options"):
            await portfolio(options._replace(reasons=True)).run()

    scoring(log, model_dir, work, stop_after=1)


FIRST = SET.features[0]
RAISED = FeatureSet(name=SET.name, features=(FIRST.model_copy(update={"version": 2}), *SET.features[1:]))
RETAINED = ServedSet(2, "e" * 64, RAISED, [FIRST])
OTHER_VALUES = [row | {f"{FIRST.name}@2": 50} for row in ROWS]


def test_a_folder_is_refused_before_anything_is_decided_and_recorded(log: Log, model_dir: Path, tmp_path: Path) -> None:
    async def work(portfolio: Callable[[Options], Portfolio]) -> None:
        with pytest.raises(IsADirectoryError, match="Is a directory; name a file"):
            await portfolio(Options(tmp_path, record=True)).run()

    assert scoring(log, model_dir, work) == 0
    assert not tmp_path.with_name(f"{tmp_path.name}.parts").exists()


def test_a_model_decides_with_older_versions_of_features_that_are_retained(
    log: Log, model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.parquet"

    async def work(portfolio: Callable[[Options], Portfolio]) -> None:
        assert await portfolio(Options(out)).run() == len(ROWS)

    scoring(log, model_dir, work, store=FakeStore(OTHER_VALUES, RETAINED))
    found = [row["probability"] for row in pq.read_table(out).to_pylist()]
    assert found == [one["probability"] for one in single_answers(log, model_dir)]
    singles = single_answers(log, model_dir, FakeStore(OTHER_VALUES, RETAINED))
    assert found == [one["probability"] for one in singles]


class Changing(FakeFollowed):
    """Another set is in force after so many requests."""

    def __init__(self, served: ServedSet, after: int, then: ServedSet) -> None:
        super().__init__(served)
        self._requests = after
        self._then = then

    async def current(self, ask: Ask[Any]) -> ServedSet:
        self._requests -= 1
        return self.served if self._requests >= 0 else self._then


@pytest.mark.parametrize("pages", [0, 1])
@pytest.mark.parametrize(
    ("served", "then"),
    [
        (CREDIT_DEFAULT, RETAINED),
        (RETAINED, ServedSet(3, "f" * 64, RAISED, [FIRST])),
        (RETAINED, ServedSet(2, "e" * 64, RAISED)),
    ],
    ids=["raised", "other", "no longer retained"],
)
def test_a_run_during_which_the_set_changes_ends_and_scores_no_other_version(
    log: Log, model_dir: Path, tmp_path: Path, pages: int, served: ServedSet, then: ServedSet
) -> None:
    store = FakeStore(OTHER_VALUES, served)
    store.feature_set = Changing(served, 1 + pages, then)  # the definitions are the first request

    async def work(portfolio: Callable[[Options], Portfolio]) -> None:
        with pytest.raises(ScoringFailed, match="has changed meanwhile"):
            await portfolio(Options(tmp_path / "all.parquet")).run()

    assert scoring(log, model_dir, work, store=store) == pages * _OF_A_PAGE
