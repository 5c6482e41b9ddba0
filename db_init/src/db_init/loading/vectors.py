"""The lines of an imported file: parsed, judged, and converted to JSON, in DuckDB."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from db_init.engines.dialects import DUCKDB
from db_init.engines.duckdb import DuckDB, client_id_of, identifier, literal
from db_init.loading.names import GROUP, LINE
from db_init.shards import WHOLE, Share
from shared_schemas.feature_sets import Feature, FeatureSet

INSTANT = "event_timestamp"

_INSTANT_FORM = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


@dataclass(frozen=True)
class VectorColumns:
    """The columns of a file. `spoken`: the features that have a column in it."""

    feature_set: FeatureSet
    spoken: tuple[Feature, ...]
    has_outcome: bool = True
    has_group: bool = True

    @property
    def client(self) -> str:
        return self.feature_set.entity.column

    @property
    def outcome(self) -> str | None:
        return self.feature_set.outcome.column if self.feature_set.outcome and self.has_outcome else None

    @property
    def group(self) -> str | None:
        return self.feature_set.entity.group if self.has_group else None

    @property
    def needed(self) -> tuple[str, ...]:
        others = [name for name in (self.outcome, self.group) if name is not None]
        return tuple(dict.fromkeys([self.client, *(feature.name for feature in self.spoken), *others]))


def judge_vectors(
    engine: DuckDB, columns: VectorColumns, kept_since: datetime | None = None, share: Share = WHOLE
) -> None:
    """Make tables `judged` (client_id, instant, said, raw, outcome, verdict) and `refused`, for a share of the clients.

    Lines before `kept_since` are refused.
    """
    timed = bool(engine.run(f"SELECT 1 FROM raw WHERE {INSTANT} IS NOT NULL LIMIT 1"))
    _parse(engine, columns, timed=timed)
    share.keep_own(engine, "vectors", "client_id")
    if kept_since is not None:
        early = "reason IS NULL AND instant < ?::TIMESTAMPTZ"
        engine.run(f"UPDATE vectors SET reason = 'before_retention' WHERE {early}", [kept_since.isoformat()])
    engine.run("""
        CREATE TABLE judged AS
        WITH marked AS (SELECT *, row_number() OVER same AS copy, first_value(__line) OVER same_event AS first_line
                          FROM vectors WHERE reason IS NULL
                        WINDOW same AS (PARTITION BY client_id, instant, said, raw, outcome ORDER BY __line),
                               same_event AS (PARTITION BY client_id, instant ORDER BY __line))
        SELECT *, CASE WHEN copy > 1 THEN 'dropped' WHEN __line > first_line THEN 'vector_conflict' ELSE 'keep' END AS verdict
          FROM marked""")
    row = DUCKDB.json_object(
        (name, DUCKDB.json_value(f"raw.{identifier(name)}", "text")) for name in (*columns.needed, INSTANT)
    )
    engine.run(f"""
        CREATE TABLE refused AS
        SELECT {LINE}, reason, {row} AS row FROM vectors JOIN raw USING ({LINE}) WHERE reason IS NOT NULL
        UNION ALL
        SELECT {LINE}, verdict, {row} FROM judged JOIN raw USING ({LINE}) WHERE verdict = 'vector_conflict'
        UNION ALL
        SELECT {LINE}, 'malformed_line', to_json({{'text': text, 'id_column': list_position(columns, {literal(columns.client)})}})::VARCHAR FROM malformed""")


def _parse(engine: DuckDB, columns: VectorColumns, *, timed: bool) -> None:
    """Make table `vectors`, with typed cells and a reason of refusal if a cell is unreadable. An empty cell is null."""
    trimmed = ", ".join(f"{_trimmed(name)} AS {identifier(name)}" for name in (*columns.needed, INSTANT))
    values = "".join(f", {_value(feature)} AS v{n}" for n, feature in enumerate(columns.spoken))
    outcome = "NULL::SMALLINT"
    if columns.outcome is not None:
        cell = identifier(columns.outcome)
        outcome = f"CASE WHEN regexp_full_match({cell}, '[01]([.]0*)?') THEN left({cell}, 1)::SMALLINT END"
    said = DUCKDB.json_object((one.key, DUCKDB.json_value(f"v{n}", _kind(one))) for n, one in enumerate(columns.spoken))
    raw = (
        DUCKDB.json_object([(GROUP, DUCKDB.json_value(identifier(columns.group), "text"))])
        if columns.group
        else "NULL::VARCHAR"
    )
    reasons = " ".join(
        f"WHEN {condition} THEN {literal(reason)}" for condition, reason in _reasons(columns, timed=timed)
    )
    engine.run(f"""
        CREATE TABLE cells AS SELECT {LINE}, {trimmed} FROM raw;
        CREATE TABLE parsed AS
        SELECT cells.*, {client_id_of(identifier(columns.client))} AS client_id,
               {outcome} AS outcome, {_instant()} AS instant{values}
          FROM cells;
        CREATE TABLE vectors AS
        SELECT {LINE}, client_id, instant, {said} AS said, {raw} AS raw, outcome, CASE {reasons} END AS reason FROM parsed""")


def _trimmed(name: str) -> str:
    return f"nullif(trim({identifier(name)}), '')"


def _instant() -> str:
    return f"""CASE WHEN regexp_full_match({INSTANT}, '{_INSTANT_FORM}') AND {INSTANT} >= '0001-01-02'
                    THEN try_cast({INSTANT} AS TIMESTAMPTZ) END"""


def _value(feature: Feature) -> str:
    cell = identifier(feature.name)
    if feature.type == "category":
        known = ", ".join(map(literal, feature.categories or ()))
        # Cells are trimmed, so the categories are compared without spaces at their ends.
        trimmed = {category.strip(" "): category for category in feature.categories or ()}
        others = "".join(f" WHEN {cell} = {literal(a)} THEN {literal(b)}" for a, b in trimmed.items() if a != b)
        return f"CASE WHEN {cell} IN ({known}) THEN {cell}{others} END"
    if feature.whole:  # 12 may be written 12.0
        whole = f"regexp_full_match({cell}, '[+-]?[0-9]+([.]0*)?')"
        return f"CASE WHEN {whole} THEN try_cast(try_cast({cell} AS DECIMAL(38, 0)) AS BIGINT) END"
    number = f"try_cast({cell} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _kind(feature: Feature) -> str:
    return {"category": "text", "number": "number"}.get(feature.type, "whole")


def _reasons(columns: VectorColumns, *, timed: bool) -> Iterator[tuple[str, str]]:
    client = identifier(columns.client)
    yield f"{client} IS NULL", f"{columns.client}_missing"
    yield "client_id IS NULL OR client_id < 1", f"{columns.client}_unreadable"
    for number, feature in enumerate(columns.spoken):
        reason = "category_unknown" if feature.type == "category" else f"{feature.name}_unreadable"
        yield f"{identifier(feature.name)} IS NOT NULL AND v{number} IS NULL", reason
    if columns.outcome is not None:
        yield f"{identifier(columns.outcome)} IS NOT NULL AND outcome IS NULL", f"{columns.outcome}_unreadable"
    if timed:
        yield f"{INSTANT} IS NULL", f"{INSTANT}_missing"
        yield "instant IS NULL", f"{INSTANT}_unreadable"
        yield "instant < '1900-01-01 00:00:00+00' OR instant >= '9999-01-01 00:00:00+00'", f"{INSTANT}_out_of_range"
        yield "instant > now() + INTERVAL 1 DAY", "event_in_future"
