"""Parsing of raw events: text columns become typed columns and a reason of refusal. Ibis expressions for any engine."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import ibis

from db_init.loading.names import CLIENT, EVENT, GROUP, LINE, OUTCOME, REASON, TIME
from shared_schemas.feature_sets import FeatureSet, Source, SourceColumn

Table = Any
Column = Any

_LARGEST_FLOAT = 1.7976931348623157e308
EARLIEST = "1900-01-01"
_LATEST = "9998-12-31"

# \z is the end of the text. In Java, $ also matches before a final line break.
_NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?\z"
_NOT_FINITE = r"^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\z"
_WHOLE = r"^([+-]?[0-9]{1,19})([.]0+)?\z"
_ID = r"^([0-9]{1,19})([.]0+)?\z"
_DAY = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})([ T]00:00:00([.]0+)?(Z|[+]00:?00)?)?\z"
_INSTANT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})([ T]([0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?)(Z|[+]00:?00)?)?\z"


def needed_columns(feature_set: FeatureSet, source: Source) -> tuple[str, ...]:
    """The columns that a file must have, in a fixed order; the event id is first."""
    wanted = [source.event_id, feature_set.entity.column, source.event_time, *source.columns]
    if feature_set.outcome is not None:
        wanted.append(feature_set.outcome.column)
    if feature_set.entity.group is not None:
        wanted.append(feature_set.entity.group)
    return tuple(dict.fromkeys(wanted))


def source_kinds(source: Source) -> dict[str, str]:
    """The Ibis type of each declared source column, except event id and event time."""
    return {
        name: "int64"
        if column.values
        else {"integer": "int64", "number": "float64", "text": "string"}.get(column.type, "date")
        for name, column in source.columns.items()
        if name not in (source.event_id, source.event_time)
    }


def parsed(
    raw: Table, feature_set: FeatureSet, source: Source, latest: datetime, kept_since: datetime | None = None
) -> Table:
    """The lines of `raw` with typed columns and the reason of refusal, null for valid lines.

    Events after `latest` and before `kept_since` are refused.
    """
    columns = {name: source.columns[name] for name in source_kinds(source)}
    typed = raw.select(
        LINE,
        **{
            CLIENT: _id(raw[feature_set.entity.column]),
            EVENT: _id(raw[source.event_id]),
            TIME: _time(raw[source.event_time], source),
            **{name: _typed(raw[name], column) for name, column in columns.items()},
            OUTCOME: _outcome(raw, feature_set),
            GROUP: _group(raw, feature_set),
            **{f"__given_{name}": _text(raw[name]) for name in _judged(feature_set, source)},
        },
    )
    reasons = [*_reasons(typed, feature_set, source, latest)]
    if kept_since is not None:
        reasons.append((typed[TIME] < _instant(kept_since, typed[TIME]), "before_retention"))
    reason = ibis.cases(*reasons, else_=ibis.null("string"))
    return typed.mutate(**{REASON: reason}).drop(*(f"__given_{name}" for name in _judged(feature_set, source)))


def event_columns(source: Source) -> tuple[str, ...]:
    """The columns of an event, in the order of the tables of events."""
    return (EVENT, CLIENT, TIME, *source_kinds(source), OUTCOME, GROUP)


def _judged(feature_set: FeatureSet, source: Source) -> dict[str, str]:
    """The file columns whose invalid values refuse a line, and the typed column of each."""
    named = {feature_set.entity.column: CLIENT, source.event_id: EVENT, source.event_time: TIME}
    return named | {name: name for name in source_kinds(source) if source.columns[name].bad == "quarantine"}


def _text(column: Column) -> Column:
    return column.strip().nullif("")


def _extracted(column: Column, pattern: str, group: int = 1) -> Column:
    return _text(column).re_extract(pattern, group).nullif("")


def _id(column: Column) -> Column:
    """The id in a cell. 1.0 is read as 1: some programs write integer columns with missing values as floats."""
    return _extracted(column, _ID).try_cast("int64")


def _date(column: Column) -> Column:
    date = _extracted(column, _DAY).try_cast("date")
    return (date >= ibis.literal(EARLIEST).cast("date")).ifelse(date, ibis.null("date"))


def _time(column: Column, source: Source) -> Column:
    declared = source.columns.get(source.event_time)
    if declared is not None and declared.type == "date":
        return _extracted(column, _DAY).try_cast("date")
    moment = _extracted(column, _INSTANT, 3).fill_null("00:00:00")
    return _extracted(column, _INSTANT).concat(" ", moment).try_cast("timestamp(6)")


def _number(column: Column) -> Column:
    text = _text(column)
    return text.re_search(_NUMBER).ifelse(text.try_cast("float64"), ibis.null("float64"))


def _typed(column: Column, declared: SourceColumn) -> Column:
    if declared.values:
        text = _text(column).upper()
        # Let the engine convert both sides to upper case: Python's conversion differs, for ß for example.
        known = [(text == ibis.literal(key).upper(), value) for key, value in declared.values.items()]
        return ibis.cases(*known, else_=ibis.null("int64")).cast("int64")
    kinds = {"integer": lambda: _extracted(column, _WHOLE).try_cast("int64"), "number": lambda: _number(column)}
    value = kinds.get(declared.type, lambda: _date(column) if declared.type == "date" else _text(column))()
    outside = _outside(value, declared) if declared.bad == "null" else None
    return value if outside is None else outside.ifelse(ibis.null(value.type()), value)


def _outside(value: Column, declared: SourceColumn) -> Column | None:
    checks = [] if declared.type != "number" else [value.abs() > _LARGEST_FLOAT]
    checks += [] if declared.minimum is None else [value < declared.minimum]
    checks += [] if declared.below is None else [value >= declared.below]
    found = None
    for check in checks:
        found = check if found is None else found | check
    return found


def _outcome(raw: Table, feature_set: FeatureSet) -> Column:
    if feature_set.outcome is None:
        return ibis.null("int16")
    given = _id(raw[feature_set.outcome.column])
    return given.isin([0, 1]).ifelse(given, ibis.null("int64")).cast("int16")


def _group(raw: Table, feature_set: FeatureSet) -> Column:
    return _text(raw[feature_set.entity.group]) if feature_set.entity.group is not None else ibis.null("string")


Case = tuple[Column, Any]


def _instant(instant: datetime, column: Column) -> Column:
    """The time as a literal of the column's type."""
    return ibis.literal(instant.date() if column.type().is_date() else instant.replace(tzinfo=None))


def _reasons(typed: Table, feature_set: FeatureSet, source: Source, latest: datetime) -> Iterator[Case]:
    """Yield conditions and their reasons. Why a value is null is computed for null values only: it is expensive."""
    judged = _judged(feature_set, source)
    absent = None
    for column in judged.values():
        absent = typed[column].isnull() if absent is None else absent | typed[column].isnull()
    yield absent, _told_apart(typed, judged, source)
    yield typed[CLIENT] < 1, f"{feature_set.entity.column}_unreadable"
    days = [ibis.literal(day).cast("date") for day in (EARLIEST, _LATEST)]
    day = typed[TIME] if typed[TIME].type().is_date() else typed[TIME].date()
    yield (day < days[0]) | (day > days[1]), f"{source.event_time}_out_of_range"
    yield typed[TIME] > _instant(latest, typed[TIME]), "event_in_future"
    for name in source_kinds(source):
        if source.columns[name].bad == "quarantine":
            yield from _bounds(typed[name], name, source.columns[name])


def _told_apart(typed: Table, judged: dict[str, str], source: Source) -> Column:
    cases = [(typed[f"__given_{name}"].isnull(), f"{name}_missing") for name in judged]
    for name, column in judged.items():
        unreadable = typed[column].isnull()
        if name in source.columns and source.columns[name].type == "number" and not source.columns[name].values:
            text = typed[f"__given_{name}"]
            cases.append((unreadable & (text.re_search(_NOT_FINITE) | text.re_search(_NUMBER)), f"{name}_not_finite"))
        cases.append((unreadable, f"{name}_unreadable"))
    return ibis.cases(*cases, else_=ibis.null("string"))


def _bounds(value: Column, name: str, declared: SourceColumn) -> Iterator[Case]:
    if declared.type == "number":
        yield value.abs() > _LARGEST_FLOAT, f"{name}_not_finite"
    if declared.minimum is not None:
        yield value < declared.minimum, f"{name}_negative" if declared.minimum == 0 else f"{name}_too_small"
    if declared.below is not None:
        yield value >= declared.below, f"{name}_too_large"
