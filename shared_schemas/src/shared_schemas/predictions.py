"""Bodies of the prediction service."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared_schemas.clients import ClientId

FeatureScalar = int | float | str | bool | None
"""A stored value as the store sent it: the quality check may have found that it is not of its type."""


class Imputation(BaseModel):
    """What was done about a value that was missing or failed its check."""

    rule: Literal["missing_cell", "default_cell", "model"] = Field(
        description=(
            "`missing_cell`: the model has a cell of its own for a missing value, learnt in training. `default_cell`: "
            "the feature was never missing in training, the model sends it where most rows went. `model`: the model's "
            "own steps fill it in."
        )
    )
    value: float | None = Field(description="The number put in place of the value; null where none is.")


class CreditRisk(BaseModel):
    """The risk of default of one client."""

    model_config = ConfigDict(protected_namespaces=())

    client_id: ClientId | None = Field(description="Null where values were scored without a client.")
    label: Literal[0, 1] = Field(description="1 when the probability reaches the threshold.")
    score: int = Field(ge=0, le=1000, description="`int(probability * 1000)`: 0 is good, 1000 is bad.")
    probability: float = Field(ge=0, le=1, description="Probability of default.")
    threshold: float = Field(ge=0, le=1)
    input_variables: dict[str, FeatureScalar] = Field(description="The five values as stored, before any repair.")
    qa_failure_cases: list[str] | None = Field(description="Features whose stored value failed its check.")
    imputed: dict[str, Imputation] | None = Field(description="What was done about each missing or failed value.")
    model_version: str
    event_timestamp: AwareDatetime | None = Field(description="Of the vector; null where there is no client.")


class CreditRiskBatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_ids: list[ClientId]


class CreditRiskBatch(BaseModel):
    """Predictions in the order of the request, an id that was asked for twice twice; unknown ids stand apart."""

    predictions: list[CreditRisk]
    not_found: list[ClientId]
