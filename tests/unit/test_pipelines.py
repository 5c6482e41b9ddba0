"""What a pipeline must not do: each is refused with one line that names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db_init.engines.dialects import DUCKDB
from db_init.engines.duckdb import DuckDB, open_duckdb
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import Applied
from db_init.loading.events import pipelines
from db_init.loading.events.computing import compute
from db_init.loading.events.pipelines import PipelineRefused

CARDS = Path(__file__).parents[1] / "feature_sets" / "cards"
SET = read_feature_set(CARDS / "cards.toml")
EVENTS = "payment BIGINT, client_id BIGINT, paid_at TIMESTAMP, amount DOUBLE, shop VARCHAR, opened DATE"


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    with open_duckdb("100MB") as opened:
        opened.run(f"CREATE TABLE events ({EVENTS})")
        yield opened


def computed(engine: DuckDB, folder: Path, returned: str, before: str = "") -> list[str]:
    """Keys of the features of a pipeline with this expression."""
    code = f"import ibis\n\ndef features(events):\n    {before}\n    return {returned}\n"
    (folder / "pipeline.py").write_text(code)
    assert SET.source is not None
    return list(pipelines.features(engine.table("events"), Applied(SET, (), folder), SET.source))


SECOND = "events.paid_at.epoch_seconds()"
EARLIER = f"ibis.range_window(order_by={SECOND}, preceding=(90, 1))"


def test_a_pipeline_may_leave_out_features_that_are_only_written(engine: DuckDB, tmp_path: Path) -> None:
    returned = f"{{'spent_90_days': events.amount.sum().over({EARLIER}), 'shop': events.shop}}"
    assert computed(engine, tmp_path, returned) == ["spent_90_days", "shop"]


REFUSED = [
    ("1 / 0", "raises ZeroDivisionError: division by zero"),
    ("[events.shop]", "returns list, not a dict of columns"),
    ("{}", "returns no feature"),
    ("{'salary': events.amount}", "returns salary, which the set does not ask it for"),
    ("{'years_open': events.amount}", "returns years_open, which the set does not ask it for"),
    ("{'shop': 'food'}", "returns str as shop, not a column of events"),
    ("{'payments': events.amount}", "returns float64 as payments, which is declared integer"),
    ("{'shop': events.payment}", "returns int64 as shop, which is declared category"),
    ("{'income': events.amount.cast('string')}", "returns string as income, which is declared number"),
    ("{'shop': events.charged_off.cast('string')}", "reads the outcome charged_off"),
    ("{'income': events.limit(1).amount}", "computes income from another table, so that its length is not that of events"),
    ("{'income': events.amount.sum()}", "computes income from all events at once"),
    (f"{{'income': events.amount.sum().over(ibis.window(order_by={SECOND}))}}", "computes income from "),
    (f"{{'income': events.amount.lag().over(ibis.window(order_by={SECOND}))}}", "computes income from "),
    (f"{{'income': events.amount.sum().over({EARLIER.replace('1)', '0)')})}}", "computes income from "),
    ("{'income': events.amount.sum().over(ibis.range_window(order_by=events.amount, preceding=(9, 1)))}", "computes income from "),
    ("__import__('sys').exit(0)", "raises SystemExit: 0"),
    ("(_ for _ in ()).throw(ValueError('one\\ntwo'))", "raises ValueError: one two"),
    (f"{{'income': events.amount.sum().over({EARLIER.replace('=events', '=-events')})}}", "computes income from a window in another order than that of paid_at"),
    (f"{{'income': events.amount.sum().over({EARLIER.replace('s()', 's() * -1')})}}", "computes income from a window in another order"),
    ("{'payments': ibis.rank().over(ibis.window(order_by=events.paid_at.cast('time')))}", "computes payments from a window in another order"),
    ("{'payments': ibis.rank().over(ibis.window(order_by=events.paid_at.cast('string')))}", "computes payments from a window in another order"),
    (f"{{'payments': ibis.rank().over(ibis.window(order_by={SECOND} % 60))}}", "computes payments from a window in another order"),
    ("{'payments': (ibis.now().epoch_seconds() - events.paid_at.epoch_seconds())}", "computes payments from the time of the load"),
    ("{'income': ibis.random()}", "computes income from the time of the load, or from chance"),
]  # fmt: skip


@pytest.mark.parametrize(("returned", "why"), REFUSED)
def test_what_a_pipeline_must_not_do_is_one_line(engine: DuckDB, tmp_path: Path, returned: str, why: str) -> None:
    with pytest.raises(PipelineRefused) as refused:
        computed(engine, tmp_path, returned)
    line = str(refused.value)
    assert line.startswith(f"The pipeline {tmp_path / 'pipeline.py'} {why}")
    assert line.endswith("Nothing was changed.")


ORDERS = [
    "events.paid_at.date()", "events.paid_at.truncate('h').epoch_seconds().cast('int64') // 3600", "events.paid_at.year() * 2 + 1",
    "1 + 0.5 * events.paid_at.epoch_seconds()", "(events.paid_at.epoch_seconds() - 7) / 86_400",
    "events.paid_at.delta(ibis.timestamp('2020-01-01'), unit='day')",
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_a_window_may_be_in_the_order_of_what_rises_with_time(engine: DuckDB, tmp_path: Path, order: str) -> None:
    returned = f"{{'payments': ibis.rank().over(ibis.window(order_by={order}))}}"
    assert computed(engine, tmp_path, returned) == ["payments"]


def values(engine: DuckDB, folder: Path, returned: str) -> list[object]:
    """The feature of the pipeline for three events of one client, as stored; they are 0.8 and 0.6 seconds apart."""
    instants = ("2024-01-01 00:00:00.1", "2024-01-01 00:00:00.9", "2024-01-01 00:00:01.5")
    engine.run("DELETE FROM events")
    for number, instant in enumerate(instants):
        engine.run("INSERT INTO events VALUES (?, 7, ?, 2.5, 'food', NULL)", [number, instant])
    (folder / "pipeline.py").write_text(f"import ibis\n\ndef features(events):\n    return {returned}\n")
    assert SET.source is not None
    [key] = compute(engine, engine.table("events"), Applied(SET, (), folder), SET.source)
    kind = "whole" if SET.by_name[key].whole else "text"
    return [row[0] for row in engine.ask(f"SELECT {DUCKDB.json_value('__f0', kind)} FROM computed ORDER BY __event_id")]


def test_seconds_are_counted_whole_as_spark_counts_them(engine: DuckDB, tmp_path: Path) -> None:
    second = f"{SECOND}.cast('int64')"
    assert values(engine, tmp_path, f"{{'payments': {second}}}") == ["1704067200", "1704067200", "1704067201"]
    assert values(engine, tmp_path, f"{{'payments': {SECOND} + 1}}") == ["1704067201", "1704067201", "1704067202"]
    rank = f"{{'payments': ibis.rank().over(ibis.window(order_by={second}))}}"
    assert values(engine, tmp_path, rank) == ["0", "0", "2"]


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ("{'payments': events.shop.cast('int64')}", "cannot be computed for these events: ConversionException in payments"),
        ("{'payments': (events.amount * 1e30).cast('int64')}", "cannot be computed for these events: ConversionException in payments"),
        ("{'shop': events.shop.re_extract('(', 1)}", "cannot be computed for these events: InvalidInputException in shop"),
        ("{'shop': events.shop.upper()}", "returns 3 values outside the categories of shop"),
    ],
)  # fmt: skip
def test_what_fails_or_is_wrong_for_some_events_is_one_line_without_their_values(
    engine: DuckDB, tmp_path: Path, returned: str, why: str
) -> None:
    with pytest.raises(PipelineRefused) as refused:
        values(engine, tmp_path, returned)
    assert str(refused.value) == f"The pipeline {tmp_path / 'pipeline.py'} {why}. Nothing was changed."


def test_a_flag_is_0_or_1(engine: DuckDB, tmp_path: Path) -> None:
    flags = SET.model_copy(
        update={"features": (SET.by_name["payments"].model_copy(update={"type": "flag"}),)}, deep=False
    )
    (tmp_path / "pipeline.py").write_text("def features(events):\n    return {'payments': events.payment}\n")
    engine.run("DELETE FROM events")
    engine.run("INSERT INTO events SELECT range, 7, now(), 1, 'food', NULL FROM range(5)")
    assert SET.source is not None
    with pytest.raises(PipelineRefused, match="returns 3 values other than 0 and 1 as payments"):
        compute(engine, engine.table("events"), Applied(flags, (), tmp_path), SET.source)


def test_a_pipeline_without_its_function_or_file_is_one_line(engine: DuckDB, tmp_path: Path) -> None:
    assert SET.source is not None
    applied = Applied(SET, (), tmp_path)
    with pytest.raises(PipelineRefused, match="is not there; name the set's TOML file with --feature-set"):
        pipelines.features(engine.table("events"), applied, SET.source)
    (tmp_path / "pipeline.py").write_text("def feature(events): ...\n")
    with pytest.raises(PipelineRefused, match="has no function features"):
        pipelines.features(engine.table("events"), applied, SET.source)
