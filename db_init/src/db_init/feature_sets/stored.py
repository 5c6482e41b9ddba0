"""Feature sets in the database: the one in force, and those applied before it."""

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydantic import ValidationError

from db_init.errors import LoadError
from shared_schemas.feature_sets import Feature, FeatureSet

SHIPPED = Path(__file__).parent
"""The folder of the shipped sets. Each has a subfolder with its name."""
DEFAULT_SET = "credit_default"
"""The shipped set that a new database gets. The sample data belongs to it."""

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
        """The keys of all values that are served."""
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
            "The feature set in the database was stored by another release of db_init: "
            "use that release, or apply the set again."
        ) from error
    return Applied(feature_set, older, Path(folder) if folder else SHIPPED / feature_set.name)


def applied_set(connection: psycopg.Connection) -> Applied:
    """The set in force. Raises LoadError if no set was ever applied."""
    found = current_set(connection)
    if found is None:
        raise LoadError("No feature set is applied yet: run `python -m db_init migrate` or `apply FILE` first.")
    return found


def earlier_features(connection: psycopg.Connection, name: str) -> dict[tuple[str, int], Feature]:
    """Every feature that this set ever declared, by name and version, in its latest declaration."""
    found: dict[tuple[str, int], Feature] = {}
    for [document] in connection.execute(_EARLIER, [name]):
        for feature in FeatureSet.model_validate_json(document).features:
            found.setdefault((feature.name, feature.version), feature)
    return found
