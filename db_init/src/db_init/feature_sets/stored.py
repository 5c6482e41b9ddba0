"""The feature sets in the database: the one in force, and those that were applied before it."""

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import ValidationError

from db_init.errors import LoadError
from shared_schemas.feature_sets import Feature, FeatureSet

SHIPPED = Path(__file__).parent
"""Folders of the sets that come with db_init, by their names."""
DEFAULT_SET = "credit_default"
"""The shipped set that a database has first, and that the sample is of."""

_CURRENT = "SELECT document::text, retained::text, folder FROM feature_sets WHERE current"
_EARLIER = "SELECT document::text FROM feature_sets WHERE name = %s ORDER BY id DESC"


@dataclass(frozen=True)
class Applied:
    """The set in force. `retained`: older versions that are still served. `folder` holds its TOML file and pipeline."""

    feature_set: FeatureSet
    retained: tuple[Feature, ...]
    folder: Path

    @property
    def keys(self) -> tuple[str, ...]:
        """Of every value that is served."""
        return tuple(feature.key for feature in (*self.feature_set.features, *self.retained))


def current_set(connection: psycopg.Connection) -> Applied | None:
    row = connection.execute(_CURRENT).fetchone()
    if row is None:
        return None
    document, retained, folder = row
    try:
        feature_set = FeatureSet.model_validate_json(document)
        older = tuple(Feature.model_validate(one) for one in json.loads(retained))
    except ValidationError as error:
        raise LoadError(
            "The feature set in the database is of another release of db_init: use that one, or apply the set again."
        ) from error
    return Applied(feature_set, older, Path(folder) if folder else SHIPPED / feature_set.name)


def applied_set(connection: psycopg.Connection) -> Applied:
    """The set in force. Raises LoadError where none was ever applied."""
    found = current_set(connection)
    if found is None:
        raise LoadError("No feature set is applied yet: run `python -m db_init migrate` or `apply FILE` first.")
    return found


def earlier_features(connection: psycopg.Connection, name: str) -> dict[tuple[str, int], Feature]:
    """Every feature that a document of this set ever declared, by name and version, as it was declared last."""
    found: dict[tuple[str, int], Feature] = {}
    for [document] in connection.execute(_EARLIER, [name]):
        for feature in FeatureSet.model_validate_json(document).features:
            found.setdefault((feature.name, feature.version), feature)
    return found
