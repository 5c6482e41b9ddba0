"""A Feast feature repository: the applied set as entity, feature view, push source and feature service."""

import json
from pathlib import Path

from db_init.errors import LoadError
from shared_schemas.feature_sets import Feature, FeatureSet

_TYPES = {"integer": "Int64", "flag": "Int64", "number": "Float64", "category": "String"}

_CONFIGURATION = """\
# Feast asks the feature service at `path`. Its registry stays in this folder.
project: {name}
provider: local
registry: data/registry.db
online_store:
  type: remote
  path: {url}
offline_store:
  type: file
entity_key_serialization_version: 3
# If API keys are configured: a key with the scope features:read, and features:write to push.
# auth:
#   type: oidc
#   token_env_var: FEAST_TOKEN
"""

_DEFINITIONS = '''\
"""The feature set {name} for Feast. Written by `python -m db_init feast-repo`; run `feast apply` here."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import {types}

client = Entity(name="client", join_keys=["client_id"], value_type=ValueType.INT64)
# Feast requires a batch source for every push source. The online store does not read it.
history = FileSource(
    name="{name}_history",
    path="data/history.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)
push = PushSource(name="{name}_push", batch_source=history)
features = FeatureView(
    name="{name}_features",
    entities=[client],
    ttl=timedelta(0),
    schema=[
{fields}
    ],
    source=push,
    online=True,
)
service = FeatureService(name="{name}", features=[features])
'''


def write_repository(folder: Path, feature_set: FeatureSet, url: str) -> None:
    """Write feature_store.yaml and features.py. Raises LoadError if one of them exists or cannot be written."""
    if not url.startswith(("http://", "https://")):
        raise LoadError("The URL of the feature service starts with http:// or https://.")
    types = sorted({_TYPES[feature.type] for feature in feature_set.features} | {"Int64"})
    fields = "\n".join(_field(feature) for feature in feature_set.features)
    files = {
        "feature_store.yaml": _CONFIGURATION.format(name=feature_set.name, url=json.dumps(url.rstrip("/"))),
        "features.py": _DEFINITIONS.format(name=feature_set.name, types=", ".join(types), fields=fields),
    }
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError as error:
        raise LoadError(f"{folder} holds a feature repository already: remove it, or name another folder.") from error
    except OSError as error:
        raise LoadError(f"{folder} cannot be written: {error.strerror}.") from error


def _field(feature: Feature) -> str:
    description = json.dumps(feature.description)  # JSON escapes read the same in Python
    return f'        Field(name="{feature.name}", dtype={_TYPES[feature.type]}, description={description}),'
