"""The feature set that rows are of: from a TOML or JSON file, or from the Parquet file that holds the rows."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from prediction_service.training.errors import TrainingDataError
from shared_schemas import FeatureSet

_NONE = (
    "It is not known which feature set these rows are of: name it with --feature-set FILE (rows that "
    "`db_init export-training` wrote as Parquet carry it)."
)


def read_feature_set(file: Path | None, carried: bytes | None) -> FeatureSet:
    """The set of `file`, else the one that the rows carry as JSON. Raises TrainingDataError."""
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
            f"{file or 'What the rows carry'} is no valid feature set: `python -m db_init check FILE` says why."
        ) from error


def _of_file(file: Path) -> FeatureSet:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return FeatureSet.model_validate_json(text)
    return FeatureSet.model_validate(tomllib.loads(text))
