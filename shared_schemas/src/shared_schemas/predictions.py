"""Bodies of the prediction service."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from shared_schemas.clients import ClientId

FeatureScalar = int | float | str | bool | None
"""A value as it is stored. It may be of a wrong type, which the quality check reports."""


class Imputation(BaseModel):
    """How a value that was missing or failed its check was replaced."""

    rule: Literal["missing_cell", "default_cell", "best_cell", "model"] = Field(
        description=(
            "`missing_cell`: the model has learnt a cell for missing values in training. `default_cell`: the feature was never "
            "missing in training, and the model uses the branch of most training rows. `best_cell`: the value counts like the "
            "known value with the lowest risk (a missing age may be that of an elderly applicant). `model`: the model's own "
            "steps fill it in."
        )
    )
    value: float | None = Field(description="The number that replaces the value; null if there is none.")


class Contribution(BaseModel):
    """The contribution of one feature to the probability."""

    feature: str
    value: FeatureScalar = Field(description="The stored value.")
    value_used: float | str | None = Field(
        description="The value that the model used; null if the value is missing or failed its check."
    )
    contribution: float = Field(
        description=(
            "Log-odds that the feature adds, minus their mean over the training population: its exact Shapley value. "
            "Above 0 is adverse. All contributions and `base_log_odds` add up to the log-odds of `probability`."
        )
    )
    points: float = Field(
        description=(
            "The contribution in points of score. In one answer, one unit of log-odds is "
            "`(1000 * probability - r) / (log-odds of probability - base_log_odds)` points for all features, where r is 1000 "
            "times the probability whose log-odds are `base_log_odds`. All points add up to `1000 * probability - r`."
        )
    )


class ReasonCode(BaseModel):
    """A feature that raised the probability, in words."""

    code: str = Field(description="Stable name of the reason, such as `NUMBER_OF_EARLIER_LOANS` or `AGE_MISSING`.")
    feature: str
    contribution: float = Field(
        description="As in `contributions`. Above 0, except for a missing value that made the policy refer."
    )
    points: float = Field(description="As in `contributions`.")
    text: str = Field(description="A sentence for the client that says what is on record, without a judgement.")


class CreditRisk(BaseModel):
    """The risk of default of one client."""

    model_config = ConfigDict(protected_namespaces=())

    client_id: ClientId | None = Field(description="Null if values were scored without a client.")
    label: Literal[0, 1] = Field(description="1 if the probability is at or above the threshold.")
    score: int = Field(ge=0, le=1000, description="`int(probability * 1000)`: 0 is the lowest risk, 1000 the highest.")
    probability: float = Field(ge=0, le=1, description="Probability of default.")
    threshold: float = Field(ge=0, le=1)
    input_variables: dict[str, FeatureScalar] = Field(description="The stored values of the model's inputs.")
    qa_failure_cases: list[str] | None = Field(description="Features whose stored value failed its check.")
    imputed: dict[str, Imputation] | None = Field(description="By feature, how a missing or failed value was replaced.")
    model_version: str
    event_timestamp: AwareDatetime | None = Field(description="Event timestamp of the vector; null without a client.")
    stale: list[str] | None = Field(
        default=None, description="Features whose event is older than `max_age_days`: their values count as missing."
    )
    contributions: list[Contribution] | SkipJsonSchema[None] = Field(
        default=None, description="One for each feature, in the order of the set. Absent unless `explain=true`."
    )
    reason_codes: list[ReasonCode] | SkipJsonSchema[None] = Field(
        default=None,
        max_length=4,
        description=(
            "The adverse contributions above 0.01, largest first, at most four; equal ones in the order of the features. "
            "The age of an applicant of 62 or older is never a reason. Reasons describe the model, not causes. Absent "
            "unless `explain=true`."
        ),
    )
    base_log_odds: float | SkipJsonSchema[None] = Field(
        default=None,
        description="Mean log-odds of the training population: the base of the contributions. Absent unless `explain=true`.",
    )
    explanation_method: str | SkipJsonSchema[None] = Field(
        default=None, description="The method by which contributions are computed. Absent unless `explain=true`."
    )
    reason_texts_version: str | SkipJsonSchema[None] = Field(
        default=None, description="Version of the reason codes and sentences. Absent unless `explain=true`."
    )
    decision_id: str | None = Field(
        default=None,
        description="Id of the record (UUID version 7). Null in a preview and if recording is off, absent without a client.",
    )
    decision: Literal["approve", "refer", "decline"] = Field(description="The decision of the policy.")
    policy_version: str
    commitment: str | None = Field(
        default=None,
        description="HMAC-SHA256 of the record with its salt, in base64. Keep it to verify the record later.",
    )


class CreditRiskBatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_ids: list[ClientId]


class CreditRiskBatch(BaseModel):
    """Predictions in the order of the request; a repeated id has a prediction each time. Unknown ids are in `not_found`."""

    predictions: list[CreditRisk]
    not_found: list[ClientId]
