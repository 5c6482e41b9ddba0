"""JSON texts of values, as expressions of DuckDB: what an event says, and what it was computed from."""

import json
from collections.abc import Iterable

from db_init.engines.duckdb import literal


def json_value(expression: str, kind: str) -> str:
    """`kind`: number, whole, text, date, or since (a date that completed years are counted from)."""
    made = {
        "number": f"CASE WHEN isfinite({expression}) THEN {expression} END::VARCHAR",
        "whole": f"({expression})::VARCHAR",
        "text": f"to_json({expression})::VARCHAR",
        "date": f"""'"' || strftime({expression}, '%Y-%m-%d') || '"'""",
        "since": f"""'{{"since":"' || strftime({expression}, '%Y-%m-%d') || '"}}'""",
    }[kind]
    return f"coalesce({made}, 'null')"


def json_object(members: Iterable[tuple[str, str]]) -> str:
    """The text of an object from keys and expressions of JSON texts."""
    parts = [f"{literal(json.dumps(key) + ':')} || {value}" for key, value in members]
    return f"'{{' || concat_ws(',', {', '.join(parts)}) || '}}'" if parts else "'{}'"
