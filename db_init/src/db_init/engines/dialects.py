"""The parts of the SQL of a load that differ between DuckDB and Spark. All other SQL is the same for both."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """Templates of SQL expressions, named after their result. `{0}` is the operand."""

    quote: str
    """The mark around identifiers; doubled inside them."""
    escapes: Mapping[str, str]
    """Characters to escape in string literals, and their escaped form."""
    kinds: Mapping[str, str]
    """SQL types of columns by Ibis type."""
    number: str
    """The shortest text that parses to the same double, as Python writes it; null if the number is not finite."""
    text: str
    texts: str
    day: str
    instant: str
    no_texts: str
    order: str
    form: Callable[[Mapping[str, str]], str]
    """Formats names and types of members as the schema argument of from_json."""

    def identifier(self, name: str) -> str:
        doubled = name.replace(self.quote, self.quote * 2)
        return f"{self.quote}{doubled}{self.quote}"

    def literal(self, text: str) -> str:
        escaped = "".join(self.escapes.get(mark, mark) for mark in text)
        return f"'{escaped}'"

    def json_value(self, expression: str, kind: str) -> str:
        """SQL of the JSON text of an expression.

        `kind`: number, whole, text, texts, date, or since (a date from which completed years are counted).
        """
        day = self.day.format(expression)
        made = {
            "number": self.number.format(expression),
            # Cast explicitly: Ibis leaves out a cast to the type that it expects the expression to have already.
            "whole": f"CAST(CAST({expression} AS BIGINT) AS STRING)",
            "text": self.text.format(expression),
            "texts": self.texts.format(expression),
            "date": f"""'"' || {day} || '"'""",
            "since": f"""'{{"since":"' || {day} || '"}}'""",
        }[kind]
        return f"coalesce({made}, 'null')"

    def json_object(self, members: Iterable[tuple[str, str]]) -> str:
        """SQL of the text of a JSON object, from pairs of key and SQL of a JSON text."""
        parts = [f"{self.literal(json.dumps(key) + ':')} || {value}" for key, value in members]
        return f"'{{' || concat_ws(',', {', '.join(parts)}) || '}}'" if parts else "'{}'"

    def json_fields(self, text: str, kinds: Mapping[str, str]) -> str:
        """SQL of a struct with the members of a JSON object. `kinds`: the Ibis type of each member."""
        form = self.form({name: self.kinds[kind] for name, kind in kinds.items()})
        return f"from_json({text}, {self.literal(form)})"

    def together(self, first: str, others: str) -> str:
        """The clause that places rows with the same `first` next to each other, in the order of `others`."""
        return self.order.format(first, others)


DUCKDB = Dialect(
    quote='"',
    escapes={"'": "''"},
    kinds={"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR", "date": "DATE"},
    number="CASE WHEN isfinite({0}) THEN {0} END::VARCHAR",
    text="to_json({0})::VARCHAR",
    texts="to_json({0})::VARCHAR",
    day="strftime({0}, '%Y-%m-%d')",
    instant="strftime({0}, '%Y-%m-%d %H:%M:%S.%f+00')",
    no_texts="NULL::VARCHAR[]",
    order="ORDER BY {0}, {1}",
    form=json.dumps,
)

# Java 17 writes some doubles with more digits than necessary. Jackson, which comes with Spark, writes the shortest
# form. Both use exponents for some numbers that Python writes without, and write 4.9E-324 for 5e-324.
_SHORTEST = "reflect('com.fasterxml.jackson.core.io.NumberOutput', 'toString', coalesce({0}, double(0)), true)"
_POWER = r"""
    regexp_replace(regexp_replace(regexp_replace(lower(%s), '[.]0e', 'e'), 'e(-?)([0-9])$', 'e$10$2'), 'e([0-9])', 'e+$1')
"""
_PLAIN = "regexp_replace(regexp_replace(CAST(CAST(%s AS DECIMAL(38, 20)) AS STRING), '0+$', ''), '[.]$', '.0')"
_ONE_DIGIT = "format_string('%.0e', {0})"


def _ddl(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{SPARK.identifier(name)} {kind}" for name, kind in kinds.items())


SPARK = Dialect(
    quote="`",
    escapes={"'": "\\'", "\\": "\\\\"},
    kinds={"int64": "BIGINT", "float64": "DOUBLE", "string": "STRING", "date": "DATE"},
    number=f"""
        CASE WHEN {{0}} IS NULL OR isnan({{0}}) OR abs({{0}}) = double('Infinity') THEN NULL
             WHEN {{0}} = 0 OR (abs({{0}}) >= 1e-3 AND abs({{0}}) < 1e7) THEN {_SHORTEST}
             WHEN abs({{0}}) >= 1e-4 AND abs({{0}}) < 1e16 THEN {_PLAIN % _SHORTEST}
             WHEN abs({{0}}) < 1e-321 AND CAST({_ONE_DIGIT} AS DOUBLE) = {{0}} THEN {_ONE_DIGIT}
             ELSE {_POWER % _SHORTEST} END""",
    text="trim(BOTH '[]' FROM to_json(array({0})))",
    texts="to_json({0})",
    day="date_format({0}, 'yyyy-MM-dd')",
    instant="date_format({0}, 'yyyy-MM-dd HH:mm:ss.SSSSSS+00')",
    no_texts="CAST(NULL AS ARRAY<STRING>)",
    order="DISTRIBUTE BY {0} SORT BY {0}, {1}",
    form=_ddl,
)
