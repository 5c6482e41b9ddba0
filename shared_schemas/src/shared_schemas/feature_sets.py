"""The schema of a feature set, which a lender declares in one TOML file."""

from collections import Counter
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared_schemas.reason_texts import FeatureTexts

FeatureType = Literal["integer", "number", "flag", "category"]
Basis = Literal[
    "age", "sex", "race", "color", "religion", "national_origin", "marital_status", "public_assistance"
]  # 12 CFR 1002.2(z)

Category = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00]*\z")]
"""Any text that PostgreSQL can store: without the character NUL."""

MAX_FEATURES = 500
RESERVED = frozenset({"client_id", "event_timestamp", "as_of", "feature_timestamps"})
_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,62}\z"


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entity(_Declared):
    """The entity that features describe: a client.

    `column` is the name of the client id in files. Over HTTP the name is always client_id.
    """

    column: str = Field(default="id", min_length=1)
    group: str | None = Field(
        default=None, min_length=1, description="Column whose equal values stay on one side of every split."
    )


class Outcome(_Declared):
    """The column of outcomes in files: 1 is a default, 0 is no default, an empty cell is not known yet."""

    column: str = Field(default="status", min_length=1)
    description: str = ""


class SourceColumn(_Declared):
    """One column of raw events: its type, its bounds, and what happens to a value outside the bounds."""

    type: Literal["integer", "number", "date", "text"]
    minimum: float | None = None
    below: float | None = None
    values: dict[str, int] | None = Field(default=None, description="The number that each text stands for.")
    bad: Literal["quarantine", "null"] = "null"


class Source(_Declared):
    """Raw events: the pipeline that computes features from them, and the types of their columns."""

    pipeline: str = Field(min_length=1, description="Python file beside the TOML file.")
    event_id: str = Field(min_length=1)
    event_time: str = Field(min_length=1)
    columns: dict[str, SourceColumn] = Field(default_factory=dict)


class Feature(_Declared):
    """The definition of a feature: its meaning and the values that it may take. Without a bound there is no limit."""

    name: str = Field(pattern=_NAME)
    version: int = Field(default=1, ge=1, le=10_000)
    type: FeatureType
    unit: str = ""
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    exclusive_minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    exclusive_maximum: float | None = Field(default=None, allow_inf_nan=False)
    categories: tuple[Category, ...] | None = None
    description: str = Field(min_length=1)
    source_columns: tuple[str, ...] = ()
    owner: str = ""
    risk: Literal["rises", "falls", "is free"] = "is free"
    basis: tuple[Basis, ...] = ()
    use: Literal["model", "monitoring"] = "model"
    max_age_days: int | None = Field(default=None, ge=1, le=100_000)
    actionable: bool = False
    completed_years_since: str | None = Field(default=None, min_length=1)
    reasons: FeatureTexts | None = None

    @property
    def key(self) -> str:
        """The key under which values are stored. Each version of a feature has a key, so that values of both can be stored."""
        return self.name if self.version == 1 else f"{self.name}@{self.version}"

    @property
    def is_input(self) -> bool:
        """Whether a model may use the feature. A prohibited basis other than age is never an input (12 CFR 1002.6(b))."""
        return self.use == "model" and not set(self.basis) - {"age"}

    @property
    def whole(self) -> bool:
        return self.type in ("integer", "flag")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.type == "category") != (self.categories is not None):
            raise ValueError("categories go with type category, and only with it")
        if self.categories is not None:
            if not self.categories:
                raise ValueError("categories is an empty list")
            if repeated := _repeated(self.categories):
                raise ValueError(f"categories holds {repeated!r} twice")
        bounds = (self.minimum, self.exclusive_minimum, self.maximum, self.exclusive_maximum)
        if self.type in ("flag", "category") and any(bound is not None for bound in bounds):
            raise ValueError(f"a feature of type {self.type} has no bounds")
        if self.type == "category" and self.risk != "is free":
            raise ValueError("the values of a category have no order, so that risk cannot rise or fall with them")
        if self.completed_years_since is not None and self.type != "integer":
            raise ValueError("completed_years_since goes with type integer")
        if _empty_range(self):
            raise ValueError("the bounds exclude every value")
        return self


def _repeated(values: tuple[str, ...]) -> str | None:
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _empty_range(feature: Feature) -> bool:
    lows = [
        (bound, strict) for bound, strict in ((feature.minimum, 0), (feature.exclusive_minimum, 1)) if bound is not None
    ]
    highs = [
        (bound, strict) for bound, strict in ((feature.maximum, 0), (feature.exclusive_maximum, 1)) if bound is not None
    ]
    return any(
        low > high or (low == high and (low_strict or high_strict))
        for low, low_strict in lows
        for high, high_strict in highs
    )


class FeatureSet(_Declared):
    """A feature set. The order of its features is that of model inputs and of JSON answers."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,47}\z")
    description: str = ""
    entity: Entity = Entity()
    outcome: Outcome | None = None
    source: Source | None = None
    features: tuple[Feature, ...] = Field(alias="feature", min_length=1, max_length=MAX_FEATURES)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @field_validator("features")
    @classmethod
    def _distinct(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        names = [feature.name.lower() for feature in features]
        if repeated := _repeated(tuple(names)):
            raise ValueError(f"two features have the name {repeated}, whatever the case")
        if reserved := RESERVED.intersection(names):
            raise ValueError(f"the name {min(reserved)} is reserved")
        codes = tuple(code for feature in features if feature.reasons for code in feature.reasons.codes())
        if repeated := _repeated(codes):
            raise ValueError(f"the reason code {repeated} stands for two reasons")
        return features

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that a model may use, in the order of the set."""
        return tuple(feature for feature in self.features if feature.is_input)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in lower-case hexadecimal."""
        return sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        """The canonical JSON of the set: keys in the order of this schema, without defaults."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)
