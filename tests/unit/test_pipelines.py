"""What a pipeline must not do: each is refused with one line that names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db_init.engines.duckdb import DuckDB, open_duckdb
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import Applied
from db_init.loading.events import pipelines
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
]  # fmt: skip


@pytest.mark.parametrize(("returned", "why"), REFUSED)
def test_what_a_pipeline_must_not_do_is_one_line(engine: DuckDB, tmp_path: Path, returned: str, why: str) -> None:
    with pytest.raises(PipelineRefused) as refused:
        computed(engine, tmp_path, returned)
    line = str(refused.value)
    assert line.startswith(f"The pipeline {tmp_path / 'pipeline.py'} {why}")
    assert line.endswith("Nothing was changed.")


def test_a_pipeline_without_its_function_or_file_is_one_line(engine: DuckDB, tmp_path: Path) -> None:
    assert SET.source is not None
    applied = Applied(SET, (), tmp_path)
    with pytest.raises(PipelineRefused, match="is not there; name the set's TOML file with --feature-set"):
        pipelines.features(engine.table("events"), applied, SET.source)
    (tmp_path / "pipeline.py").write_text("def feature(events): ...\n")
    with pytest.raises(PipelineRefused, match="has no function features"):
        pipelines.features(engine.table("events"), applied, SET.source)
