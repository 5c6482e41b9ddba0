"""Computation of a pipeline's columns in an engine, and the check of their values."""

from collections.abc import Mapping, Sequence
from typing import Any

from ibis.common.exceptions import IbisError

from db_init.engines import Engine
from db_init.feature_sets.stored import Applied
from db_init.loading.events import pipelines
from db_init.loading.names import EVENT
from shared_schemas.feature_sets import Feature, Source

Table = Any
Column = Any


def compute(engine: Engine, events: Table, applied: Applied, source: Source) -> list[str]:
    """Make table `computed` with columns `__f0`, `__f1`, ... and return their feature keys. Raises PipelineRefused."""
    columns = pipelines.features(events, applied, source)
    file = applied.folder / source.pipeline
    chosen = {EVENT: events[source.event_id]} | {f"__f{n}": one for n, one in enumerate(columns.values())}
    try:
        engine.keep("computed", events.select(**chosen))
    except (*engine.refusals, IbisError) as error:  # do not repeat its message, which may hold values of clients
        raise pipelines.PipelineRefused(file, _failed(engine, events, columns, error)) from error
    declared = {one.key: one for one in (*applied.feature_set.features, *applied.retained)}
    if found := _others(engine, [declared[key] for key in columns]):
        feature, others = found[0]
        kind = "outside the categories of" if feature.categories else "other than 0 and 1 as"
        raise pipelines.PipelineRefused(file, f"returns {others:,} values {kind} {feature.key}")
    return list(columns)


def _others(engine: Engine, features: Sequence[Feature]) -> list[tuple[Feature, int]]:
    """The features with values that are not allowed, and their number. `features` are in the order of `computed`."""
    allowed = {place: found for place, feature in enumerate(features) if (found := _allowed(engine, feature))}
    if not allowed:
        return []
    counts = (f"count(CASE WHEN __f{n} NOT IN ({', '.join(found)}) THEN 1 END) AS n{n}" for n, found in allowed.items())
    [counted] = engine.ask(f"SELECT {', '.join(counts)} FROM computed")
    return [(features[place], others) for place, others in zip(allowed, counted, strict=True) if others]


def _allowed(engine: Engine, feature: Feature) -> list[str]:
    if feature.type == "flag":
        return ["0", "1"]
    return [engine.dialect.literal(category) for category in feature.categories or ()]


def _failed(engine: Engine, events: Table, columns: Mapping[str, Column], error: Exception) -> str:
    for key, column in columns.items():
        try:
            engine.keep("tried", events.select(tried=column))
        except (*engine.refusals, IbisError) as found:
            return f"cannot be computed for these events: {type(found).__name__} in {key}"
    return f"cannot be computed for these events: {type(error).__name__}"
