"""Training rows: reading and checking them, and finding out which rows are of one person."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from shared_schemas import FEATURE_NAMES

_ID_COLUMNS = ("client_id", "id")
_LEAST_ROWS, _LEAST_OF_A_CLASS = 500, 20


class TrainingDataError(Exception):
    """The file cannot be trained on. The message says why."""


@dataclass(frozen=True)
class TrainingRows:
    """`features`: rows x five, NaN is missing; `labels`: 1 is a default; `persons`: equal for rows of one person."""

    features: np.ndarray
    labels: np.ndarray
    persons: np.ndarray
    clients: int
    sha256: str


def _table(file: Path) -> pa.Table:
    try:
        if file.suffix == ".parquet":
            return pa.parquet.read_table(file)
        return pa.csv.read_csv(file)
    except FileNotFoundError:
        raise TrainingDataError(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise TrainingDataError(f"{file} is a folder.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingDataError(
            f"{file} cannot be read as {'Parquet' if file.suffix == '.parquet' else 'CSV'}."
        ) from error


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    try:
        column = table.column(name).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingDataError(f"Column {name} holds values that are not numbers.") from error
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=float)


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
    features = np.column_stack([_numbers(table, name) for name in FEATURE_NAMES])[known]
    if np.isinf(features).any():
        raise TrainingDataError("A feature holds a value that is not finite.")
    clients = table.column(id_column).cast(pa.int64()).to_numpy(zero_copy_only=False)[known]
    labels = labels[known]
    _check_labels(labels)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return TrainingRows(features, labels.astype(int), persons_of(clients, features), len(np.unique(clients)), digest)


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
    traits = np.nan_to_num(features[::-1][last_row][:, [FEATURE_NAMES.index(n) for n in _TRAITS]], nan=-1.0)
    another = np.ones(len(ids), dtype=bool)
    another[1:] = (np.diff(ids) > _NEIGHBOURS) | (np.diff(traits, axis=0) != 0).any(axis=1)
    return np.asarray(np.cumsum(another)[np.searchsorted(ids, clients)])


_TRAITS = ("age", "years_on_the_job", "flag_own_car")
_NEIGHBOURS = 5
