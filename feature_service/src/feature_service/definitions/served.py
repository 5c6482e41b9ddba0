"""The feature set in force, with everything that requests need prepared in advance."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter

from feature_service.definitions.vectors import Layout
from service_kit.problems import InvalidRequest
from shared_schemas import Feature, FeatureDefinitions, FeatureSet, FeatureWrite, InvalidPart
from shared_schemas.values import selected_schema, vector_schema, write_adapter, write_schema

_FEATURES = TypeAdapter(tuple[Feature, ...])
_KEPT_LAYOUTS = 256


class ServedSet:
    """One applied version of a feature set. `retained`: older versions of features, for requests that name them."""

    def __init__(
        self, version: int, digest: str, features: FeatureSet, retained: Sequence[Feature] = (), mark: str = ""
    ) -> None:
        self.digest = digest
        self.mark = mark
        """Identifies the content of the row: rows that differ in what they serve have different marks."""
        self.features = features.features
        self.id_column = features.entity.column
        self.header = (b"feature-set", f"{features.name}; digest={digest}".encode())
        self.layout = Layout(self.features)
        self.definitions = FeatureDefinitions(
            version=str(version), name=features.name, digest=digest, features=self.features, retained=tuple(retained)
        )
        self._by_name = features.by_name
        self._selectable = {feature.name: feature for feature in self.features} | {
            f"{feature.name}@{feature.version}": feature for feature in (*retained, *self.features)
        }
        self._layouts: dict[tuple[str, ...], Layout] = {}

    @cached_property
    def etag(self) -> str:
        """The ETag: the digest of the set. Retained versions of features, if there are any, are part of it."""
        if not self.definitions.retained:
            return f'"{self.digest}"'
        retained = sha256(_FEATURES.dump_json(self.definitions.retained)).hexdigest()
        return f'"{self.digest}-{retained[:16]}"'

    @cached_property
    def definitions_body(self) -> bytes:
        return self.definitions.model_dump_json().encode()

    @cached_property
    def writes(self) -> TypeAdapter[FeatureWrite]:
        return write_adapter(self.features)

    @cached_property
    def schemas(self) -> dict[str, Any]:
        """JSON Schemas, by name, that replace the general ones in the OpenAPI document."""
        return {
            "FeatureVector": vector_schema(self.features),
            "SelectedVector": selected_schema(self.features),
            "FeatureWrite": write_schema(self.writes),
        }

    def layout_of(self, wanted: Sequence[str]) -> Layout:
        """The layout of these features (name or name@version), in this order. Raises InvalidRequest."""
        key = tuple(wanted)
        layout = self._layouts.get(key)
        if layout is None:
            layout = Layout(self._selected(wanted))
            if len(self._layouts) >= _KEPT_LAYOUTS:
                self._layouts.clear()
            self._layouts[key] = layout
        return layout

    def _selected(self, wanted: Sequence[str]) -> list[Feature]:
        selected: dict[str, Feature] = {}
        refused = []
        for position, name in enumerate(wanted):
            feature = self._selectable.get(name)
            if feature is None:
                detail = "There is no such feature, or not in this version"
            elif feature.name in selected:
                detail = "This feature is asked for twice"
            else:
                selected[feature.name] = feature
                continue
            refused.append(InvalidPart(pointer=f"#/features/{position}", detail=detail))
        if refused:
            raise InvalidRequest(errors=refused)
        return list(selected.values())

    def said(self, write: FeatureWrite) -> dict[str, Any]:
        """The values of a validated write by feature key."""
        return {self._by_name[name].key: value for name, value in write.items() if name in self._by_name}

    def names(self, keys: Sequence[str]) -> list[str]:
        """The names of these keys, in the order of the set."""
        return [name for key, name in self.layout.names_by_key.items() if key in keys]


def read_served(row: Mapping[str, Any]) -> ServedSet:
    """From a row of feature_sets. Keys that only a newer release knows are ignored. Raises ValidationError."""
    features = FeatureSet.model_validate_json(row["document"], extra="ignore")
    retained = _FEATURES.validate_json(row["retained"], extra="ignore")
    return ServedSet(row["id"], row["digest"], features, retained, row["mark"])
