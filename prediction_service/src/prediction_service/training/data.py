"""Training rows: reading and checking them, and finding out which rows are of one person."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from shared_schemas import FEATURE_NAMES, FEATURES, FeatureDefinition

_ID_COLUMNS = ("client_id", "id")
_LEAST_ROWS, _LEAST_OF_A_CLASS, _LEAST_VALUES = 100, 10, 20
_TRAITS = [FEATURE_NAMES.index(name) for name in ("age", "years_on_the_job", "flag_own_car")]
_NEIGHBOURS = 5


class TrainingDataError(Exception):
    """No model comes of this. The message says why, and repeats no value of the data."""


@dataclass(frozen=True)
class TrainingRows:
    """`features`: rows x five, NaN is missing; `labels`: 1 is a default; `persons`: equal for rows of one person.

    `failed`: how many values of each feature failed their check and count as missing. `period`: the first and the last
    event, None if the file has no event_timestamp.
    """

    features: np.ndarray
    labels: np.ndarray
    persons: np.ndarray
    clients: int
    sha256: str
    failed: dict[str, int]
    period: tuple[str, str] | None


def read_rows(file: Path) -> TrainingRows:
    """Rows of a CSV or Parquet file with an id, the five features and `status`. Rows without a status are left out."""
    table = _table(file)
    id_column = next((name for name in _ID_COLUMNS if name in table.column_names), None)
    missing = [name for name in (*FEATURE_NAMES, "status") if name not in table.column_names]
    if id_column is None or missing:
        wanted = ", ".join([*([] if id_column else ["client_id (or id)"]), *missing])
        raise TrainingDataError(f"{file} lacks the column(s) {wanted}.")
    labels = _numbers(table, "status")
    known = ~np.isnan(labels)
    stored = np.column_stack([_numbers(table, name) for name in FEATURE_NAMES])[known]
    labels = labels[known]
    _check_labels(labels)
    features = _checked(stored)
    failed = (np.isnan(features) & ~np.isnan(stored)).sum(axis=0)
    clients = _ids(table, id_column)[known]
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return TrainingRows(
        features=features,
        labels=labels.astype(int),
        persons=persons_of(clients, features),
        clients=len(np.unique(clients)),
        sha256=digest,
        failed={name: int(count) for name, count in zip(FEATURE_NAMES, failed, strict=True) if count},
        period=_period(table),
    )


def _table(file: Path) -> pa.Table:
    form = "Parquet" if file.suffix == ".parquet" else "CSV"
    try:
        if file.stat().st_size == 0:
            raise TrainingDataError(f"{file} is empty.")
        return pa.parquet.read_table(file) if form == "Parquet" else pa.csv.read_csv(file)
    except FileNotFoundError:
        raise TrainingDataError(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise TrainingDataError(f"{file} is a folder.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingDataError(f"{file} cannot be read as {form}: is it whole, and does its name end so?") from error


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if table.column_names.count(name) > 1:
        raise TrainingDataError(f"There are several columns {name}.")
    return table.column(name)


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    try:
        numbers = _column(table, name).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingDataError(f"Column {name} holds values that are not numbers.") from error
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=float)


def _ids(table: pa.Table, name: str) -> np.ndarray:
    column = _column(table, name)
    if column.null_count:
        raise TrainingDataError(f"Column {name} lacks {column.null_count} of its values.")
    try:
        return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingDataError(f"Column {name} holds values that are not 64-bit integers.") from error


def _period(table: pa.Table) -> tuple[str, str] | None:
    if "event_timestamp" not in table.column_names:
        return None
    try:
        events = _column(table, "event_timestamp").cast(pa.timestamp("us")).drop_null().to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingDataError("Column event_timestamp holds values that are not instants.") from error
    return (str(events.min().astype("M8[D]")), str(events.max().astype("M8[D]"))) if len(events) else None


def _checked(stored: np.ndarray) -> np.ndarray:
    """The values, those that fail their check missing: as the service treats them when it asks the model."""
    features = np.column_stack([_checked_column(feature, stored[:, i]) for i, feature in enumerate(FEATURES)])
    for name, values in zip(FEATURE_NAMES, (~np.isnan(features)).sum(axis=0), strict=True):
        if values < _LEAST_VALUES:
            raise TrainingDataError(
                f"Column {name} has {values} values in its allowed range: too few to learn from (at least {_LEAST_VALUES})."
            )
    return features


def _checked_column(feature: FeatureDefinition, column: np.ndarray) -> np.ndarray:
    failed = np.isinf(column)
    if feature.type == "integer":
        failed |= column != np.floor(column)
    if feature.minimum is not None:
        failed |= column < feature.minimum
    if feature.exclusive_minimum is not None:
        failed |= column <= feature.exclusive_minimum
    if feature.maximum is not None:
        failed |= column > feature.maximum
    return np.where(failed, np.nan, column)


def _check_labels(labels: np.ndarray) -> None:
    if not np.isin(labels, (0, 1)).all():
        raise TrainingDataError("Column status holds values other than 0 and 1.")
    bad = int(labels.sum())
    good = len(labels) - bad
    if len(labels) < _LEAST_ROWS or min(bad, good) < _LEAST_OF_A_CLASS:
        raise TrainingDataError(
            f"There are {len(labels)} rows with a status, {bad} of them defaults: too few to learn from "
            f"(at least {_LEAST_ROWS} rows, {_LEAST_OF_A_CLASS} of each kind)."
        )


def persons_of(clients: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A number for the person of each row.

    Rows of one client are one person's; so are neighbouring ids (at most 5 apart) with equal age, tenure and car. It is
    a proxy: several ids of one person follow one another in the data, and no key of the person is kept.
    """
    ids, last_row = np.unique(clients[::-1], return_index=True)
    traits = np.nan_to_num(features[::-1][last_row][:, _TRAITS], nan=-1.0)
    another = np.ones(len(ids), dtype=bool)
    another[1:] = (np.diff(ids) > _NEIGHBOURS) | (np.diff(traits, axis=0) != 0).any(axis=1)
    return np.asarray(np.cumsum(another)[np.searchsorted(ids, clients)])
