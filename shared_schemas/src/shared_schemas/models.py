"""Bodies about the model versions of the prediction service."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared_schemas.feature_sets import Feature

ModelRole = Literal["champion", "challenger"]


class ModelSummary(BaseModel):
    """One version of the registry folder. What it says of itself is null where it is `unreadable`."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    roles: list[ModelRole] = Field(
        description="`champion`: this process decides with it. `challenger`: it is compared with the champion, unseen."
    )
    kind: Literal["tables", "joblib"] | None = Field(description="What it is served from.")
    estimator: str | None
    created_at: AwareDatetime | None
    threshold: float | None
    metrics: dict[str, float] | None = Field(
        description="Measures on people that it had not seen (auc, ks, pr_auc, brier, log_loss: means over folds)."
    )
    unreadable: str | None = Field(description="Why the version cannot be used; null if nothing is known against it.")


class ModelList(BaseModel):
    """The versions, newest first, unreadable ones last."""

    champion: str | None = Field(description="The version that this process decides with; null if it has none.")
    challenger: str | None
    models: list[ModelSummary]


class ModelFile(BaseModel):
    sha256: str
    size: int = Field(description="Bytes.")


class ModelDetails(ModelSummary):
    """A version with everything that is kept about it."""

    threshold_policy: str | None
    feature_set: str | None = Field(description="Name of the feature set that it was trained on.")
    feature_set_sha256: str | None = Field(description="Digest of that set as it was at training.")
    features: list[Feature] | None = Field(description="The definitions of the whole set as they were at training.")
    feature_names: list[str] | None = Field(description="The features that it reads, in the order of its inputs.")
    left_out: dict[str, str] | None = Field(description="Why it does not read the others.")
    missing_rules: dict[str, str] | None = Field(description="What it does about a missing value, by feature.")
    training: dict[str, Any] | None = Field(description="Rows, clients, defaults, period and checksum of its data.")
    validation: dict[str, Any] | None = Field(description="Every measure, with both ways to split, and the deciles.")
    libraries: dict[str, str] | None
    files: dict[str, ModelFile] | None = Field(description="Size and checksum of each file of the version.")
    tables: dict[str, Any] | None = Field(
        description="The scorecard: `base`, and one table a feature; for tables only."
    )
    card: str | None = Field(description="The model card, in Markdown.")


class ModelTables(BaseModel):
    """The scorecard: `base`, and one table a feature."""

    base: float
    tables: list[dict[str, Any]]


class ModelReference(BaseModel):
    """The training population: `score`, `features`, `histogram`, and what monitoring needs."""

    model_config = ConfigDict(extra="allow")

    schema_version: int
