"""Request bodies of values without a client: parsed, checked for types, and documented from the champion's inputs."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, create_model

from service_kit.request.refusals import invalid_request
from shared_schemas import Feature

_INT64 = 2**63
_INTEGER = Annotated[int, Field(strict=True, ge=-_INT64, lt=_INT64)]
_NUMBER = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_TYPES: dict[str, Any] = {
    "integer": _INTEGER, "flag": _INTEGER, "number": _NUMBER, "category": Annotated[str, Field(strict=True)]
}  # fmt: skip


class Values(RootModel[dict[str, Any]]):
    """A JSON object of values by feature name. A null or absent value is unknown."""


class ValuesReader:
    """Parses the values of a model's inputs. The quality check judges ranges and categories.

    `others`: names of further features of the set, which are ignored.
    """

    def __init__(self, inputs: Sequence[Feature], others: Sequence[str]) -> None:
        self._names = tuple(feature.name for feature in inputs)
        fields: dict[str, Any] = {
            f"f{position}": (_TYPES[feature.type] | None, Field(None, alias=feature.name, description=_words(feature)))
            for position, feature in enumerate(inputs)
        }
        fields |= {f"o{position}": (Any, Field(None, alias=name)) for position, name in enumerate(others)}
        self._model: type[BaseModel] = create_model(
            "FeatureValues",
            __config__=ConfigDict(extra="forbid", protected_namespaces=()),
            __doc__="The values of the model's inputs, without a client. Null is unknown; other features are ignored.",
            **fields,
        )

    def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the value of each input by name. Raises InvalidRequest."""
        try:
            read = self._model.model_validate(given)
        except ValidationError as error:
            raise invalid_request("body", error) from error
        return {name: getattr(read, f"f{position}") for position, name in enumerate(self._names)}

    def schema(self) -> dict[str, Any]:
        schema = self._model.model_json_schema(by_alias=True)
        schema["properties"] = {name: schema["properties"][name] for name in self._names}
        return schema


def _words(feature: Feature) -> str:
    categories = f" One of: {', '.join(feature.categories)}." if feature.categories else ""
    return f"{feature.description}{f' Unit: {feature.unit}.' if feature.unit else ''}{categories}"
