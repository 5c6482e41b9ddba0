"""Bodies of the prediction service."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from shared_schemas.clients import ClientId

FeatureScalar = int | float | str | bool | None
"""A stored value as the store sent it: the quality check may have found that it is not of its type."""


class Imputation(BaseModel):
    """What was done about a value that was missing or failed its check."""

    rule: Literal["missing_cell", "default_cell", "best_cell", "model"] = Field(
        description=(
            "`missing_cell`: the model has a cell of its own for a missing value, learnt in training. `default_cell`: "
            "the feature was never missing in training, the model sends it where most rows went. `best_cell`: the value counts "
            "like the known one that is treated best (a missing age may be that of an elderly applicant). `model`: the model's "
            "own steps fill it in."
        )
    )
    value: float | None = Field(description="The number put in place of the value; null where none is.")


class Contribution(BaseModel):
    """What one feature did to the answer."""

    feature: str
    value: FeatureScalar = Field(description="As stored, before any repair.")
    value_used: float | str | None = Field(
        description="What the model was asked; null where the value is missing to it."
    )
    contribution: float = Field(
        description=(
            "Log-odds that the feature adds, less their mean over the training population: its exact Shapley value. "
            "Above 0 is adverse. All of them and `base_log_odds` add up to the log-odds of `probability`."
        )
    )
    points: float = Field(
        description=(
            "The same in points of score. One unit of log-odds counts, for all features of an answer alike, "
            "`(1000 * probability - r) / (log-odds of probability - base_log_odds)` points, where r is 1000 times the "
            "probability whose log-odds are `base_log_odds`: they add up to `1000 * probability - r`."
        )
    )


class ReasonCode(BaseModel):
    """A feature that made the answer worse, in words."""

    code: str = Field(description="Stable name of the reason, such as `NUMBER_OF_EARLIER_LOANS` or `AGE_MISSING`.")
    feature: str
    contribution: float = Field(
        description="As in `contributions`: above 0, but for a missing value that made the policy refer."
    )
    points: float = Field(description="As in `contributions`.")
    text: str = Field(description="A sentence for the client: what is on record, without a judgement.")


class CreditRisk(BaseModel):
    """The risk of default of one client."""

    model_config = ConfigDict(protected_namespaces=())

    client_id: ClientId | None = Field(description="Null where values were scored without a client.")
    label: Literal[0, 1] = Field(description="1 when the probability reaches the threshold.")
    score: int = Field(ge=0, le=1000, description="`int(probability * 1000)`: 0 is good, 1000 is bad.")
    probability: float = Field(ge=0, le=1, description="Probability of default.")
    threshold: float = Field(ge=0, le=1)
    input_variables: dict[str, FeatureScalar] = Field(
        description="The values of the model's inputs as stored, before any repair."
    )
    qa_failure_cases: list[str] | None = Field(description="Features whose stored value failed its check.")
    imputed: dict[str, Imputation] | None = Field(description="What was done about each missing or failed value.")
    model_version: str
    event_timestamp: AwareDatetime | None = Field(description="Of the vector; null where there is no client.")
    stale: list[str] | None = Field(
        default=None, description="Features whose value is of too old an event, and so counts as missing."
    )
    contributions: list[Contribution] | SkipJsonSchema[None] = Field(
        default=None, description="One a feature, in their fixed order. Absent unless `explain=true`."
    )
    reason_codes: list[ReasonCode] | SkipJsonSchema[None] = Field(
        default=None,
        max_length=4,
        description=(
            "The adverse contributions above 0.01, largest first, at most four; equal ones in the order of the features. "
            "The age of an applicant of 62 or older is never among them. They describe the model, not causes. Absent "
            "unless `explain=true`."
        ),
    )
    base_log_odds: float | SkipJsonSchema[None] = Field(
        default=None,
        description="Mean log-odds of the training population, which contributions count from. Absent unless `explain=true`.",
    )
    explanation_method: str | SkipJsonSchema[None] = Field(
        default=None, description="What the contributions are. Absent unless `explain=true`."
    )
    reason_texts_version: str | SkipJsonSchema[None] = Field(
        default=None, description="Of the set of codes and sentences. Absent unless `explain=true`."
    )
    decision_id: str | None = Field(
        default=None,
        description="Id of the record (UUID version 7). Null in a preview and where recording is off, absent without a client.",
    )
    decision: Literal["approve", "refer", "decline"] = Field(description="By the policy.")
    policy_version: str
    commitment: str | None = Field(
        default=None,
        description="HMAC-SHA256 of the record with its salt, in base64: keep it, to hold the record against it later.",
    )


class CreditRiskBatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_ids: list[ClientId]


class CreditRiskBatch(BaseModel):
    """Predictions in the order of the request, an id that was asked for twice twice; unknown ids stand apart."""

    predictions: list[CreditRisk]
    not_found: list[ClientId]
