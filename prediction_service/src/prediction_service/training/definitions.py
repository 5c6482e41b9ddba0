"""Reads the feature set of training rows, from a TOML or JSON file, or from the Parquet file of the rows."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from prediction_service.training.errors import TrainingDataError
from shared_schemas import FeatureSet

_NONE = (
    "The feature set of these rows is unknown: name it with --feature-set FILE (Parquet files of "
    "`db_init export-training` contain it)."
)


def read_feature_set(file: Path | None, carried: bytes | None) -> FeatureSet:
    """The set in `file`, else the one in the Parquet file as JSON (`carried`). Raises TrainingDataError."""
    try:
        if file is not None:
            return _of_file(file)
        if carried is None:
            raise TrainingDataError(_NONE)
        return FeatureSet.model_validate_json(carried)
    except OSError as error:
        raise TrainingDataError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        raise TrainingDataError(
            f"{file or 'The feature set in the Parquet file'} is not valid: `python -m db_init check FILE` says why."
        ) from error


def _of_file(file: Path) -> FeatureSet:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return FeatureSet.model_validate_json(text)
    return FeatureSet.model_validate(tomllib.loads(text))
