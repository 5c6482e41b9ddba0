"""Mistakes in the section [source] of a feature set: names and bounds that make loading impossible."""

from collections.abc import Iterator
from math import isfinite

from db_init.feature_sets.toml_lines import Path
from shared_schemas.feature_sets import FeatureSet, SourceColumn

CLIENT_ID = "client_id"
"""The column name of the client in a pipeline; the file may use another name."""

_LARGEST = 1 << 63


def source_mistakes(feature_set: FeatureSet) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each mistake."""
    if (source := feature_set.source) is None:
        return
    hidden = _hidden(feature_set)
    named = [source.event_id, source.event_time, feature_set.entity.column]
    for name, column in source.columns.items():
        place: Path = ("source", "columns", name)
        if why := hidden.get(name.lower()) or _no_name(name, feature_set):
            yield place, why
        elif other := next((one for one in named if one != name and _same(one, name)), None):
            yield place, f"{other} differs in case only"
        named.append(name)
        yield from ((place, why) for why in _impossible(column))
    for key, name in (("event_id", source.event_id), ("event_time", source.event_time)):
        if why := hidden.get(name.lower()) or _no_name(name, feature_set):
            yield ("source", key), why
    for position, feature in enumerate(feature_set.features):
        since = feature.completed_years_since
        if since in source.columns and source.columns[since].type != "date":
            yield ("feature", position, "completed_years_since"), f"{since} is not of type date"


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _hidden(feature_set: FeatureSet) -> dict[str, str]:
    """The columns that a pipeline must not see, in lower case, and the reason for each."""
    hidden = {}
    if (group := feature_set.entity.group) is not None:
        hidden[group.lower()] = f"{group} is the column of entity.group, which no feature is computed from"
    if feature_set.outcome is not None:
        outcome = feature_set.outcome.column
        hidden[outcome.lower()] = f"{outcome} is the outcome, which is not known at the time of an event"
    return hidden


def _no_name(name: str, feature_set: FeatureSet) -> str | None:
    if not name.strip() or "\0" in name:
        return "it is no name of a column"
    if name.startswith("__"):
        return f"{name} begins with two underscores, as columns of the loader do"
    if _same(name, CLIENT_ID) and not _same(feature_set.entity.column, CLIENT_ID):
        return f"{name} is what a pipeline calls the client; rename the column in the file"
    return None


def _impossible(column: SourceColumn) -> Iterator[str]:
    bounds = [bound for bound in (column.minimum, column.below) if bound is not None]
    if not all(map(isfinite, bounds)):
        yield "a bound is a finite number"
    elif len(bounds) == 2 and bounds[0] >= bounds[1]:
        yield "the bounds exclude every value"
    if bounds and not column.values and column.type not in ("integer", "number"):
        yield f"a column of type {column.type} has no bounds"
    texts = [text.strip().upper() for text in column.values or ()]
    if len(set(texts)) < len(texts) or "" in texts:
        yield "values has a text twice (whatever the case), or an empty one"
    if any(not -_LARGEST <= number < _LARGEST for number in (column.values or {}).values()):
        yield "values has a number that 64 bits do not hold"
