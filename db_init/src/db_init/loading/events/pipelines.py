"""The pipeline of a feature set: point-in-time correct Ibis expressions over the events of each client.

The contract of a pipeline: the file that [source] names has
`def features(events: ibis.Table) -> dict[str, ibis.Column]`.
- `events` has one row per event: `client_id`, event id and event time under their own names, and the declared source
  columns, typed. It has no outcome and no group.
- The result has columns by feature name, computed row by row from `events`. It may also have columns for retained older
  versions, named NAME@VERSION. Events set no value for a feature that is not returned: it is only written or imported.
  Features that are completed_years_since a source column are computed from that column and must not be returned.
- Integers and flags are columns of whole numbers, numbers are columns of numbers, categories are columns of texts from
  the declared list.
- The features of an event may use the event itself and the events of the same client strictly before its time. A window
  has one ascending order, by the time of the event. It is a range that ends before the current value, or it is rank or
  dense_rank. The loader partitions windows by client, so a pipeline cannot see another client's events.
"""

import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
from ibis.common.exceptions import IbisError

from db_init.errors import LoadError
from db_init.feature_sets.stored import Applied
from db_init.loading.events.windows import CHANCE, sees_too_much
from shared_schemas.feature_sets import Feature, Source

Table = Any
Column = Any

CLIENT_ID = "client_id"


class PipelineRefused(LoadError):
    """The pipeline cannot be used. Nothing was changed."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"The pipeline {file} {why}. Nothing was changed.")


def dated(feature: Feature, source: Source) -> bool:
    """Whether a feature is computed from a date of the event, without the pipeline."""
    return feature.completed_years_since is not None and feature.completed_years_since in source.columns


def features(events: Table, applied: Applied, source: Source) -> dict[str, Column]:
    """The columns of the pipeline by feature key. Raises PipelineRefused."""
    file = applied.folder / source.pipeline
    outcome = applied.feature_set.outcome
    returned = _returned(file, events, outcome.column if outcome else None)
    wanted = {feature.name: feature for feature in applied.feature_set.features if not dated(feature, source)}
    older = {f"{feature.name}@{feature.version}": feature for feature in applied.retained}
    if not returned:
        raise PipelineRefused(file, "returns no feature")
    if unknown := [str(name) for name in returned if name not in wanted and name not in older]:
        raise PipelineRefused(file, f"returns {', '.join(unknown)}, which the set does not ask it for")
    declared = {name: feature for name, feature in (wanted | older).items() if name in returned}
    return {feature.key: _checked(file, events, source, feature, returned[name]) for name, feature in declared.items()}


def _returned(file: Path, events: Table, outcome: str | None) -> Mapping[str, Any]:
    if not file.is_file():
        raise PipelineRefused(file, "is not there; name the set's TOML file with --feature-set")
    try:
        returned = runpy.run_path(str(file))["features"](events)
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise PipelineRefused(file, _why(error, outcome)) from error
    if not isinstance(returned, dict):
        raise PipelineRefused(file, f"returns {type(returned).__name__}, not a dict of columns")
    return returned


def _why(error: BaseException, outcome: str | None) -> str:
    if outcome is not None and isinstance(error, (AttributeError, IbisError)) and outcome in str(error):
        return f"reads the outcome {outcome}, which is not known at the time of an event"
    if isinstance(error, KeyError) and error.args == ("features",):
        return "has no function features"
    said = " ".join(str(error).split())
    return f"raises {type(error).__name__}" + (f": {said}" if said else "")


def _checked(file: Path, events: Table, source: Source, feature: Feature, column: Any) -> Column:
    if not isinstance(column, ibis.expr.types.Value):
        raise PipelineRefused(file, f"returns {type(column).__name__} as {feature.name}, not a column of events")
    if not _fits(column.type(), feature):
        raise PipelineRefused(file, f"returns {column.type()} as {feature.name}, which is declared {feature.type}")
    for why in _looks_elsewhere(column, events, source):
        raise PipelineRefused(file, f"computes {feature.name} from {why}")
    kind = {"integer": "int64", "flag": "int64", "number": "float64"}.get(feature.type, "string")
    return _prepared(column, events).cast(kind)


def _fits(kind: Any, feature: Feature) -> bool:
    if feature.type == "category":
        return bool(kind.is_string())
    whole = bool(kind.is_integer() or (feature.type == "flag" and kind.is_boolean()))
    return whole or bool(feature.type == "number" and (kind.is_floating() or kind.is_decimal()))


def _looks_elsewhere(column: Column, events: Table, source: Source) -> Iterator[str]:
    """Yield the reasons why a column depends on more than the event and its client's earlier events."""
    node = column.op()
    if any(relation != events.op() for relation in node.find(ops.Relation)):
        yield "another table, so that its length is not that of events"
        return
    if node.find(CHANCE):
        yield "the time of the load, or from chance, so that a second load would change it"
    windows = node.find(ops.WindowFunction)
    inside = {window.func for window in windows}
    if any(one not in inside for one in node.find((ops.Reduction, ops.Analytic))):
        yield "all events at once: give each sum, count or rank its window"
    for window in windows:
        if why := sees_too_much(window, source):
            yield why


def _prepared(column: Column, events: Table) -> Column:
    """The column with windows partitioned by client, and whole epoch seconds: only DuckDB would give fractions."""
    client = events[CLIENT_ID].op()

    def prepared(node: Any, changed: Mapping[str, Any] | None) -> Any:
        parts = dict(changed or dict(zip(node.__argnames__, node.__args__, strict=True)))
        if isinstance(node, ops.WindowFunction):
            others = tuple(one for one in parts["group_by"] if one != client)
            return ops.WindowFunction(**(parts | {"group_by": (client, *others)}))
        if isinstance(node, ops.ExtractEpochSeconds) and node.arg.dtype.is_timestamp():
            return ops.ExtractEpochSeconds(ops.TimestampTruncate(parts["arg"], "s"))
        return node.__recreate__(changed) if changed else node

    return column.op().replace(prepared).to_expr()
