"""Parses the tables of MLflow's scoring protocol, in its JSON forms or as CSV, into columns of values."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from prediction_service.inference.refused import refused
from service_kit.request.refusals import invalid_request
from shared_schemas import Feature

_Rows = list[dict[str, Any]]


class Table(NamedTuple):
    """A table. `columns`: `rows` values for each column name; None for null and NaN."""

    columns: Mapping[str, Sequence[Any]]
    rows: int


class Split(BaseModel):
    """A table in the form of `pandas.DataFrame.to_dict("split")`."""

    model_config = ConfigDict(strict=True)

    columns: list[str]
    data: list[list[Any]]


class Invocation(BaseModel):
    """A request contains exactly one of these four keys. Other keys, such as `params`, are ignored."""

    model_config = ConfigDict(strict=True)

    dataframe_split: Split | None = None
    dataframe_records: _Rows | None = None
    instances: _Rows | None = None
    inputs: dict[str, list[Any]] | None = None


def read_json(body: bytes, most_rows: int) -> Table:
    """Parse a JSON body. Raises InvalidRequest."""
    try:
        given = Invocation.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request("body", error) from error
    if len(given.model_fields_set) != 1:
        raise refused("#", "Send exactly one of dataframe_split, dataframe_records, instances and inputs")
    if given.dataframe_split is not None:
        return _of_split(given.dataframe_split.columns, given.dataframe_split.data, most_rows)
    if given.inputs is not None:
        names = list(given.inputs)
        lengths = {len(values) for values in given.inputs.values()}
        if len(lengths) != 1:
            raise refused("#/inputs", "All columns must have the same number of values")
        return _checked(names, list(given.inputs.values()), lengths.pop(), most_rows)
    rows = given.dataframe_records if given.dataframe_records is not None else given.instances or []
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _checked(names, [[row.get(name) for row in rows] for name in names], len(rows), most_rows)


def _of_split(names: Sequence[str], rows: Sequence[Sequence[Any]], most_rows: int) -> Table:
    if any(len(row) != len(names) for row in rows):
        raise refused("#", "Each row must have one value for each column")
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    return _checked(names, columns, len(rows), most_rows)


def _checked(names: Sequence[str], columns: Sequence[Sequence[Any]], rows: int, most_rows: int) -> Table:
    if not 1 <= rows <= most_rows:
        raise refused("#", f"A request must have 1 to {most_rows} rows")
    if len(set(names)) != len(names):
        raise refused("#", "A column occurs twice")
    return Table({name: _scalars(values) for name, values in zip(names, columns, strict=True)}, rows)


def _scalars(values: Sequence[Any]) -> list[Any]:
    if not all(value is None or isinstance(value, int | float | str) for value in values):
        raise refused("#", "A value must be a number, a text, true, false or null")
    plain = [int(value) if isinstance(value, bool) else value for value in values]
    return [None if value != value else value for value in plain]  # noqa: PLR0124 -- only NaN differs from itself


def read_csv(body: bytes, features: Sequence[Feature], most_rows: int) -> Table:
    """Parse a CSV body: a header line with the names of features, then one line per row; an empty cell is null.

    Raises InvalidRequest.
    """
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names, *rows = [line for line in lines if line]
    except (ValueError, csv.Error) as error:
        raise refused("#", "The body is not CSV in UTF-8 with a header line") from error
    numbers = {feature.name for feature in features if feature.type != "category"}
    table = _of_split(names, rows, most_rows)
    return Table(
        {name: [_cell(text, name in numbers) for text in texts] for name, texts in table.columns.items()}, table.rows
    )


def _cell(text: str, number: bool) -> Any:
    if not text or not number:
        return text or None
    try:
        value = float(text)
        # Parse whole numbers as int: a float may lose digits.
        return int(text) if text.lstrip("+-").isdecimal() and abs(value) < 2**64 else _number(value)
    except ValueError as error:
        raise refused("#", "A cell is not a number") from error


def _number(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 -- only NaN differs from itself
