"""Reads and checks training rows, and determines which rows belong to one person."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from prediction_service.training.definitions import read_feature_set
from prediction_service.training.errors import TrainingDataError
from shared_schemas import Feature, FeatureSet

_ID_COLUMNS = ("client_id", "id")
_LEAST_ROWS, _LEAST_OF_A_CLASS, _LEAST_VALUES = 100, 10, 20
_NEIGHBOURS = 5


@dataclass(frozen=True)
class TrainingRows:
    """Training rows with an outcome.

    `features`: rows x inputs; NaN is a missing value, a category is its position in its list. `labels`: 1 is a default.
    `persons`: equal numbers for rows of one person. `left_out`: why a feature of the set is not an input. `others`: the
    checked values of these features, in the same form, for fairness. `failed`: the number of values of each feature
    that failed their check and count as missing. `period`: the dates of the first and the last event; None if the file
    has no event_timestamp.
    """

    feature_set: FeatureSet
    inputs: tuple[Feature, ...]
    left_out: dict[str, str]
    features: np.ndarray
    others: dict[str, np.ndarray]
    labels: np.ndarray
    persons: np.ndarray
    clients: int
    sha256: str
    failed: dict[str, int]
    period: tuple[str, str] | None


def read_rows(file: Path, definitions: Path | None = None) -> TrainingRows:
    """Read a CSV or Parquet file with an id, the features of the set and the outcome. Skips rows without an outcome.

    The feature set is that of the file `definitions`, else the one in the metadata of the Parquet file. Raises
    TrainingDataError.
    """
    table = _table(file)
    chosen = read_feature_set(definitions, (table.schema.metadata or {}).get(b"feature_set"))
    outcome = chosen.outcome.column if chosen.outcome else "status"
    id_column = _id_column(file, table, chosen, outcome)
    labels = _numbers(table, outcome)
    known = ~np.isnan(labels)
    labels = labels[known]
    stored = {feature.name: _values(table, feature)[known] for feature in chosen.features}
    checked = {feature.name: _checked(feature, stored[feature.name]) for feature in chosen.features}
    _check_labels(labels, outcome)
    failed = {name: int((np.isnan(checked[name]) & ~np.isnan(stored[name])).sum()) for name in chosen.names}
    left_out = {
        feature.name: reason for feature in chosen.features if (reason := _why_not(feature, checked[feature.name]))
    }
    inputs = tuple(feature for feature in chosen.features if feature.name not in left_out)
    if not inputs:
        raise TrainingDataError("No feature of the set can be an input: " + "; ".join(left_out.values()) + ".")
    clients = _ids(table, id_column)[known]
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return TrainingRows(
        feature_set=chosen,
        inputs=inputs,
        left_out=left_out,
        features=np.column_stack([checked[feature.name] for feature in inputs]),
        others={name: checked[name] for name in left_out},
        labels=labels.astype(int),
        persons=_persons(table, chosen, known, clients, checked),
        clients=len(np.unique(clients)),
        sha256=digest,
        failed={name: count for name, count in failed.items() if count},
        period=_period(table),
    )


def _id_column(file: Path, table: pa.Table, chosen: FeatureSet, outcome: str) -> str:
    """The name of the column with client ids. Raises TrainingDataError if this or any other needed column is absent."""
    found = next((name for name in (*_ID_COLUMNS, chosen.entity.column) if name in table.column_names), None)
    missing = [name for name in (*chosen.names, outcome) if name not in table.column_names]
    if found is None or missing:
        wanted = ", ".join([*([] if found else [f"client_id (or {chosen.entity.column})"]), *missing])
        raise TrainingDataError(f"{file} lacks the column(s) {wanted}.")
    return found


def _table(file: Path) -> pa.Table:
    form = "Parquet" if file.suffix == ".parquet" else "CSV"
    try:
        if file.stat().st_size == 0:
            raise TrainingDataError(f"{file} is empty.")
        return pa.parquet.read_table(file) if form == "Parquet" else pa.csv.read_csv(file, convert_options=_CSV)
    except FileNotFoundError:
        raise TrainingDataError(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise TrainingDataError(f"{file} is a folder.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingDataError(f"{file} cannot be read as {form}: is it complete, and is its suffix right?") from error


# Only an empty cell is a missing value: "NaN", "null" and "NA" may be names of categories.
_CSV = pyarrow.csv.ConvertOptions(null_values=[""], strings_can_be_null=True)


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


def _values(table: pa.Table, feature: Feature) -> np.ndarray:
    """The values as numbers. A category is its position in the list, and infinity if it is not in the list."""
    if feature.categories is None:
        return _numbers(table, feature.name)
    texts = _column(table, feature.name)
    if not pa.types.is_null(texts.type):
        texts = texts.cast(pa.string())
    positions = pc.index_in(texts, value_set=pa.array(feature.categories, pa.string()))
    unknown = pc.and_(pc.is_null(positions), pc.is_valid(texts)).to_numpy(zero_copy_only=False)
    found = np.asarray(positions.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
    return np.where(unknown, np.inf, found)


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


def _checked(feature: Feature, column: np.ndarray) -> np.ndarray:
    """The values, with NaN for each that fails its check, as in the service."""
    failed = np.isinf(column)
    if feature.whole:
        failed |= column != np.floor(column)
    if feature.type == "flag":
        failed |= (column < 0) | (column > 1)
    if feature.minimum is not None:
        failed |= column < feature.minimum
    if feature.exclusive_minimum is not None:
        failed |= column <= feature.exclusive_minimum
    if feature.maximum is not None:
        failed |= column > feature.maximum
    if feature.exclusive_maximum is not None:
        failed |= column >= feature.exclusive_maximum
    return np.where(failed, np.nan, column)


def _why_not(feature: Feature, column: np.ndarray) -> str | None:
    """Why a feature is not an input of the model; None if it is one."""
    if bases := sorted(set(feature.basis) - {"age"}):
        return f"{feature.name} is a prohibited basis ({', '.join(bases)}; 12 CFR 1002.6(b))"
    if feature.use != "model":
        return f"{feature.name} is for monitoring only"
    if "age" in feature.basis and feature.type not in ("integer", "number"):
        return f"{feature.name} is of basis age and not in years, so that the rule for elderly applicants cannot be checked"
    known = column[~np.isnan(column)]
    if len(known) < _LEAST_VALUES:
        return f"{feature.name} has {len(known)} values in its allowed range: too few to learn from (at least {_LEAST_VALUES})"
    return None


def _check_labels(labels: np.ndarray, outcome: str) -> None:
    if not np.isin(labels, (0, 1)).all():
        raise TrainingDataError(f"Column {outcome} holds values other than 0 and 1.")
    bad = int(labels.sum())
    good = len(labels) - bad
    if len(labels) < _LEAST_ROWS or min(bad, good) < _LEAST_OF_A_CLASS:
        raise TrainingDataError(
            f"There are {len(labels)} rows with a {outcome}, {bad} of them defaults: too few to learn from "
            f"(at least {_LEAST_ROWS} rows, {_LEAST_OF_A_CLASS} of each kind)."
        )


def _persons(
    table: pa.Table, chosen: FeatureSet, known: np.ndarray, clients: np.ndarray, checked: dict[str, np.ndarray]
) -> np.ndarray:
    """A number for the person of each row, from the set's group column if the file has it, else from `persons_of`."""
    group = chosen.entity.group
    if group is not None and group in table.column_names:
        groups = _column(table, group).cast(pa.string()).to_numpy(zero_copy_only=False)[known]
        missing = groups == None  # noqa: E711 -- element by element
        groups = np.where(missing, clients.astype(str), groups)
        return np.asarray(np.unique(groups.astype(str), return_inverse=True)[1])
    dated = [feature.name for feature in chosen.features if feature.completed_years_since]
    flags = [feature.name for feature in chosen.features if feature.type == "flag"] if dated else []
    return persons_of(clients, np.column_stack([checked[name] for name in (*dated, *flags)]) if dated else None)


def persons_of(clients: np.ndarray, traits: np.ndarray | None) -> np.ndarray:
    """A number for the person of each row, by a proxy.

    Rows of one client belong to one person. So do neighbouring ids (at most 5 apart) with equal traits, if there are
    traits: flags, and features computed from dates of a life. The proxy is for data without a key of the person, in
    which the ids of one person follow one another.
    """
    ids, last_row = np.unique(clients[::-1], return_index=True)
    another = np.ones(len(ids), dtype=bool)
    if traits is not None:
        last = np.nan_to_num(traits[::-1][last_row], nan=-1.0)
        another[1:] = (np.diff(ids) > _NEIGHBOURS) | (np.diff(last, axis=0) != 0).any(axis=1)
    return np.asarray(np.cumsum(another)[np.searchsorted(ids, clients)])
