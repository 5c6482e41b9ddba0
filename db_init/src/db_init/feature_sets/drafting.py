"""A draft of a feature set from the columns of a file, with questions that the file does not answer."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from db_init.engines.duckdb import DuckDB, client_id_of, open_duckdb
from db_init.errors import LoadError
from db_init.files.reading import columns_of, other_delimiter
from db_init.progress import Steps
from shared_schemas.feature_sets import MAX_FEATURES, RESERVED

_MOST_CATEGORIES = 50
_LONGEST_CATEGORY = 200
_NAME_LENGTH = 63
_MOST_OUTCOMES = 10
"""Maximum number of distinct values in a column that is taken as the outcome because of its name alone."""
_IDS = ("id", "client_id", "customer_id", "applicant_id", "account_id")
_OUTCOMES = ("status", "default", "outcome", "target", "label", "bad", "class")
_LEFT_OUT = frozenset({"event_timestamp"})  # import-features reads it as the time of the row

_BASES: dict[str, tuple[str, ...]] = {
    "age": ("age", "birth", "birthday", "dob"),
    "sex": ("sex", "gender"),
    "race": ("race", "ethnicity", "ethnic"),
    "color": ("color", "colour"),
    "religion": ("religion",),
    "national_origin": ("nationality", "national", "foreign", "country", "citizenship", "origin"),
    "marital_status": ("marital", "married", "family", "spouse"),
    "public_assistance": ("assistance", "welfare", "benefits"),
}
"""Words in a column name that suggest a prohibited basis (12 CFR 1002.2(z))."""


@dataclass(frozen=True)
class _Column:
    """The properties of a column.

    `no_ids`: number of cells that are not a whole number above 0. `lowest`, `highest`: the bounds of its numbers as
    text. `texts`: its distinct values, if they are few and short.
    """

    name: str
    rows: int
    no_ids: int
    share_missing: float
    distinct: int
    numeric: bool
    whole: bool
    lowest: str | None
    highest: str | None
    texts: tuple[str, ...]
    longest: int


def draft(file: Path, memory: str, steps: Steps) -> str:
    """The draft as TOML that `check` accepts. Raises LoadError if no column can become a feature."""
    names = list(dict.fromkeys(name for name in columns_of(file) if name))
    if hint := other_delimiter(names):
        raise LoadError(f"{file} has one column only.{hint}")
    with open_duckdb(memory) as engine:
        engine.numbered = True
        engine.read(file, steps, names)
        unreadable = engine.count("malformed")
        if not engine.count("raw"):
            raise LoadError(f"{file} has {_no_rows(unreadable)}")
        steps.step("looking at the columns", len(names))
        columns = []
        for number, name in enumerate(names):
            columns.append(_looked_at(engine, name, f"c{number}"))
            steps.advance(1)
    entity, outcome = _entity(columns), _outcome(columns)
    others = [one for one in columns if one not in (entity, outcome) and one.name.lower() not in _LEFT_OUT]
    described = list(_features(others[:MAX_FEATURES], entity, outcome))
    if not any(is_feature for _, is_feature in described):
        left_out = "".join(f"\n{line}" for text, _ in described for line in text)
        raise LoadError(f"{file} has no column that can become a feature.{left_out}")
    lines = [*_head(file, entity, outcome, columns)]
    if unreadable:
        lines.insert(1, f"# Left out: {unreadable:,} lines that cannot be read. {_UNREADABLE}")
    for text, _ in described:
        lines += ["", *text]
    if len(others) > MAX_FEATURES:
        lines += [
            "",
            f"# Left out: {len(others) - MAX_FEATURES:,} more columns; a set has at most {MAX_FEATURES} features.",
        ]
    return "\n".join(lines) + "\n"


_UNREADABLE = "Each must be UTF-8, with as many cells as the first line."


def _no_rows(unreadable: int) -> str:
    return f"{unreadable:,} lines that cannot be read, and no other. {_UNREADABLE}" if unreadable else "no rows."


def _looked_at(engine: DuckDB, name: str, column: str) -> _Column:
    cell = f"nullif(trim({column}), '')"
    number = f"CASE WHEN isfinite(try_cast({cell} AS DOUBLE)) THEN try_cast({cell} AS DOUBLE) END"
    [[rows, no_ids, filled, numbers, distinct, whole, lowest, highest, longest]] = engine.run(f"""
        SELECT count(*), count(*) FILTER (WHERE coalesce({client_id_of(cell)}, 0) < 1), count({cell}), count({number}), count(DISTINCT {cell}),
               count(*) FILTER (WHERE {number} = trunc({number}) AND abs({number}) < 9e15), min({number}), max({number}),
               max(length({cell}))
          FROM raw""")
    texts: list[str] = []
    if distinct <= _MOST_CATEGORIES and (longest or 0) <= _LONGEST_CATEGORY:
        texts = [
            row[0] for row in engine.run(f"SELECT DISTINCT {cell} AS c FROM raw WHERE {cell} IS NOT NULL ORDER BY c")
        ]
    numeric = filled > 0 and numbers == filled
    return _Column(
        name, rows, no_ids, 1 - filled / max(rows, 1), distinct, numeric, numeric and whole == filled,
        _shown(lowest), _shown(highest), tuple(texts), longest or 0,
    )  # fmt: skip


def _shown(number: float | None) -> str | None:
    if number is None:
        return None
    return str(int(number)) if number == int(number) and abs(number) < 9e15 else repr(number)


def _entity(columns: Sequence[_Column]) -> _Column | None:
    """A column with a usual name of an id: preferably one that holds valid ids; None if there is none."""
    named = {one.name.lower(): one for one in columns}
    found = [named[name] for name in _IDS if name in named]
    return next((one for one in found if not one.no_ids), found[0] if found else None)


def _outcome(columns: Sequence[_Column]) -> _Column | None:
    """A column with a usual name of an outcome: preferably of 0 and 1, otherwise with few values; None if none."""
    named = {one.name.lower(): one for one in columns if one.texts}
    found = [named[name] for name in _OUTCOMES if name in named]
    few = (one for one in found if 2 <= one.distinct <= _MOST_OUTCOMES)
    return next((one for one in found if _is_outcome(one)), next(few, None))


def _is_outcome(column: _Column) -> bool:
    return set(column.texts) <= {"0", "1", "0.0", "1.0"}


def _head(file: Path, entity: _Column | None, outcome: _Column | None, columns: Sequence[_Column]) -> Iterator[str]:
    name = re.sub("[^a-z0-9_]+", "_", file.stem.lower()).strip("_")[:47]
    name = name if re.match("[a-z]", name) else f"set_{name}"[:47].rstrip("_")
    yield f"# A draft from {json.dumps(file.name)[1:-1]}: {len(columns):,} columns. Lines with `Question` are for you."
    yield f"name = {_text(name if name != 'online' else 'online_set')}"
    yield 'description = "Question: what are the rows of?"'
    yield "\n[entity]"
    if entity is None:
        yield "# Question: which column is the id of the client, a whole number? No column has a usual name of an id."
    elif entity.no_ids:
        yield f"# Question: in {entity.no_ids:,} of {entity.rows:,} rows it is no whole number above 0, and such lines are refused."
        yield "# Which whole number is each client? Write it into the file, in this column or in another one that you name here."
    yield f"column = {_text(entity.name if entity else 'id')}"
    yield '# Question: do several ids belong to one person or household? Then: group = "that_column"'
    yield "\n[outcome]"
    if outcome is None:
        yield "# Question: which column says that the credit went bad (1) or not (0)? No column has a usual name of it."
    elif _is_outcome(outcome):
        yield "# Question: does 1 mean a default and 0 no default? This is required."
    else:
        yield f"# Question: which of its values is a default? It holds {_comment(', '.join(outcome.texts))}, and only 1 and 0 are read:"
        yield "# write 1 for a default, 0 for none, and nothing for what is not known yet into the file."
    yield f"column = {_text(outcome.name if outcome else 'status')}"


def _features(
    columns: Sequence[_Column], entity: _Column | None, outcome: _Column | None
) -> Iterator[tuple[list[str], bool]]:
    """Yield the lines about each column, and whether they declare a feature."""
    taken = {*RESERVED, (entity.name if entity else "id").lower(), (outcome.name if outcome else "status").lower()}
    for column in columns:
        kind = _kind(column)
        name = _name(column.name, taken)
        if kind is None:
            yield [f"# Left out: {_comment(column.name)}: {_why_not(column)}"], False
            continue
        taken.add(name.lower())
        yield list(_declared(column, name, kind)), True


def _kind(column: _Column) -> str | None:
    if column.share_missing == 1:
        return None
    if column.numeric:
        if column.texts and set(column.texts) <= {"0", "1"}:
            return "flag"
        return "integer" if column.whole else "number"
    return "category" if column.texts else None


def _why_not(column: _Column) -> str:
    if column.share_missing == 1:
        return "it is empty"
    if column.longest > _LONGEST_CATEGORY:
        return f"it holds texts of up to {column.longest:,} characters"
    return (
        f"it holds {column.distinct:,} texts, too many for categories. Question: is it a date or a number with a unit?"
    )


def _name(column: str, taken: set[str]) -> str:
    """A valid and free feature name: the column's own name, if possible."""
    name = re.sub("[^A-Za-z0-9_]+", "_", column).strip("_")
    name = name if re.match("[A-Za-z]", name) else f"f_{name}"
    name = name[:_NAME_LENGTH]
    tried, number = name, 1
    while tried.lower() in taken:
        number += 1
        tried = f"{name[: _NAME_LENGTH - len(str(number)) - 1]}_{number}"
    return tried


def _declared(column: _Column, name: str, kind: str) -> Iterator[str]:
    yield "[[feature]]"
    yield f"name = {_text(name)}"
    if name != column.name:
        yield f"# The column is called {_comment(column.name)}, which is no valid feature name: rename it in the file."
    yield f"type = {_text(kind)}"
    if kind in ("integer", "number"):
        if column.lowest is not None and not column.lowest.startswith("-"):
            yield "minimum = 0"
        yield f"# found: {column.lowest} to {column.highest}. Question: which values are possible? (minimum, maximum)"
        if 1 < column.distinct <= 10:
            yield f"# Question: it holds {column.distinct} values only. Are they an amount, or codes (then: category)?"
    if kind == "category":
        yield f"categories = [{', '.join(map(_text, column.texts))}]"
    if column.distinct == 1:
        yield "# Question: every row has the same value. Can there be others?"
    yield f"# missing: {column.share_missing:.1%} of the rows"
    yield f"description = {_text(f'Question: what is {name}?')}"
    for basis, word in _likely_bases(name):
        yield f'# Question: "{word}" may tell the {basis} of the applicant (12 CFR 1002.2(z)). Then: basis = ["{basis}"]'
    if kind != "category":
        yield '# Question: does risk rise or fall with it for sure? Then: risk = "rises" or "falls"'


def _likely_bases(name: str) -> Iterator[tuple[str, str]]:
    words = re.split("[^a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower())
    for basis, telling in _BASES.items():
        if word := next((one for one in words if one in telling), None):
            yield basis, word


def _text(text: str) -> str:
    """The text as a TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return _text(text)[:200]
