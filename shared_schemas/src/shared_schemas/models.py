"""Bodies about the model versions of the prediction service."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared_schemas.feature_sets import Feature

ModelRole = Literal["champion", "challenger"]


class ModelSummary(BaseModel):
    """One version in the registry folder. Keys that come from the version are null if it is `unreadable`."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    roles: list[ModelRole] = Field(
        description="`champion`: this process decides with it. `challenger`: it scores in the shadow of the champion."
    )
    kind: Literal["tables", "joblib"] | None = Field(description="The form in which the version is served.")
    estimator: str | None
    created_at: AwareDatetime | None
    threshold: float | None
    metrics: dict[str, float] | None = Field(
        description="Measures on people who are not in the training rows (auc, ks, pr_auc, brier, log_loss: means over folds)."
    )
    unreadable: str | None = Field(description="Why the version cannot be used; null if no reason is known.")


class ModelList(BaseModel):
    """The versions, newest first, unreadable ones last."""

    champion: str | None = Field(description="The version that this process decides with; null if there is none.")
    challenger: str | None
    models: list[ModelSummary]


class ModelFile(BaseModel):
    sha256: str
    size: int = Field(description="Bytes.")


class ModelDetails(ModelSummary):
    """A version with its manifest, its tables and its card."""

    threshold_policy: str | None
    feature_set: str | None = Field(description="Name of the feature set that it was trained on.")
    feature_set_sha256: str | None = Field(description="Digest of that set as it was at training.")
    features: list[Feature] | None = Field(description="The definitions of the whole set as they were at training.")
    feature_names: list[str] | None = Field(
        description="The features that the model reads, in the order of its inputs."
    )
    left_out: dict[str, str] | None = Field(description="For each feature that the model does not read, the reason.")
    missing_rules: dict[str, str] | None = Field(description="By feature, the rule for missing values.")
    training: dict[str, Any] | None = Field(description="Rows, clients, defaults, period and checksum of the data.")
    validation: dict[str, Any] | None = Field(description="Every measure, with both ways to split, and the deciles.")
    libraries: dict[str, str] | None
    files: dict[str, ModelFile] | None = Field(description="Size and checksum of each file of the version.")
    tables: dict[str, Any] | None = Field(
        description="The scorecard: `base`, and one table for each feature; null if `kind` is not `tables`."
    )
    card: str | None = Field(description="The model card, in Markdown.")


class ModelTables(BaseModel):
    """The scorecard: `base`, and one table for each feature."""

    base: float
    tables: list[dict[str, Any]]


class ModelReference(BaseModel):
    """The training population: `score`, `features`, `histogram`, and what monitoring needs."""

    model_config = ConfigDict(extra="allow")

    schema_version: int
