"""Export of training rows: each vector as it was known at the time of its event, with the outcome of the event."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db_init.database import copy_out
from db_init.engines.duckdb import DuckDB, identifier, literal, open_duckdb
from db_init.errors import LoadError
from db_init.feature_sets.stored import applied_set
from db_init.folds import add_folds
from db_init.output import written_whole
from db_init.settings import Settings
from db_init.shards import connected, reachable
from shared_schemas.feature_sets import Feature, FeatureSet

_ROWS = (Path(__file__).parent / "loading" / "sql" / "training_rows.sql").read_text(encoding="utf-8")
_FETCHED = {
    "client_id": "BIGINT", "event_id": "BIGINT", "event_timestamp": "TIMESTAMPTZ", "said": "VARCHAR", "beneath": "VARCHAR",
    "in_group": "VARCHAR", "outcome": "SMALLINT",
}  # fmt: skip
_KINDS = {"integer": "BIGINT", "number": "DOUBLE", "flag": "SMALLINT", "category": "VARCHAR"}


@dataclass(frozen=True)
class Folds:
    count: int
    seed: int


def export_training(settings: Settings, out: Path, *, last_only: bool, folds: Folds | None) -> int:
    """Write all rows that have an outcome, or only each client's last one, as Parquet. Return the number of rows.

    The metadata of the file holds the feature set in force, under the key `feature_set`.
    """
    with written_whole(out) as fresh, open_duckdb(settings.memory) as engine:
        fetched = engine.folder / "rows.csv"
        feature_set = _fetch(settings, fetched)
        engine.from_csv("fetched", fetched, _FETCHED)
        _spread(engine, feature_set, last_only=last_only)
        if folds:
            add_folds(engine, feature_set, folds.count, folds.seed)
        columns = ", ".join(_exported(feature_set, folded=folds is not None))
        order = "client_id, event_timestamp, event_id NULLS LAST"
        engine.run(f"CREATE TABLE exported AS SELECT {columns} FROM {'folded' if folds else 'rows'} ORDER BY {order}")
        engine.to_parquet("exported", fresh, {"feature_set": feature_set.canonical()})
        return engine.count("exported")


def _fetch(settings: Settings, rows: Path) -> FeatureSet:
    """Write the rows of all databases into a CSV file, and return the feature set in force."""
    before = None
    for shard in reachable(settings):
        with connected(settings, shard, changing=False) as connection:
            feature_set = applied_set(connection).feature_set
            if feature_set.outcome is None:
                raise LoadError(
                    f"The feature set {feature_set.name} declares no outcome, so that there is nothing to train on."
                )
            if before is not None and feature_set != before:
                raise LoadError("It has another feature set in force than the one before it: apply the set again.")
            copy_out(connection, _ROWS, rows)
            before = feature_set
    return feature_set


def _spread(engine: DuckDB, feature_set: FeatureSet, *, last_only: bool) -> None:
    """Make table `rows`: a column `f<n>` for feature n, and `since<n>` for the date that its years are counted from."""
    form = literal(json.dumps({feature.key: "JSON" for feature in feature_set.features}))
    features = ", ".join(
        column for number, feature in enumerate(feature_set.features) for column in _columns(number, feature)
    )
    last = """
       QUALIFY row_number() OVER (PARTITION BY client_id ORDER BY event_timestamp DESC, event_id DESC NULLS LAST) = 1"""
    engine.run(f"""
        CREATE TABLE rows AS
        SELECT client_id, event_id, event_timestamp, in_group, outcome, {features}
          FROM (SELECT *, from_json(CASE WHEN beneath IS NULL THEN said ELSE json_merge_patch(beneath, said) END, {form}) AS v
                  FROM (SELECT * FROM fetched{last if last_only else ""}))""")


def _columns(number: int, feature: Feature) -> Iterator[str]:
    value = f"v.{identifier(feature.key)}"
    text = f"{value}->>'$'"
    if feature.completed_years_since is None:
        yield f"({text})::{_KINDS[feature.type]} AS f{number}"
        return
    since, day = f"({value}->>'$.since')::DATE", "event_timestamp::TIMESTAMP::DATE"
    years = f"(year({day}) - year({since}) - CASE WHEN strftime({day}, '%m%d') < strftime({since}, '%m%d') THEN 1 ELSE 0 END)"
    counted = f"CASE WHEN {since} <= {day} THEN {years} END"
    yield f"CASE WHEN json_type({value}) = 'OBJECT' THEN {counted} ELSE ({text})::BIGINT END::BIGINT AS f{number}"
    yield f"CASE WHEN json_type({value}) = 'OBJECT' THEN {since} END AS since{number}"


def _exported(feature_set: FeatureSet, *, folded: bool) -> Iterator[str]:
    yield "client_id"
    if feature_set.source is not None:
        yield f"event_id AS {identifier(feature_set.source.event_id)}"
    yield "event_timestamp"
    yield from (f"f{number} AS {identifier(feature.name)}" for number, feature in enumerate(feature_set.features))
    if feature_set.outcome is not None:
        yield f"outcome AS {identifier(feature_set.outcome.column)}"
    if feature_set.entity.group is not None:
        yield f"in_group AS {identifier(feature_set.entity.group)}"
    if folded:
        yield "fold"
