"""Bodies about decisions: records, lists, replays, statements, reviews, outcomes."""

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from shared_schemas.clients import ClientId
from shared_schemas.instants import Instant

DecisionOutcome = Literal["approve", "refer", "decline"]
RecordKind = Literal["decision", "review", "erasure"]


class DecisionRecord(BaseModel):
    """A record, byte for byte as it was committed to. Further keys depend on the kind of the record."""

    model_config = ConfigDict(extra="allow")

    kind: RecordKind
    decision_id: UUID
    decided_at: AwareDatetime


class ListedDecision(BaseModel):
    """A record in a list. Reviews and erasures have no client, score, model version or origin."""

    model_config = ConfigDict(protected_namespaces=())

    decision_id: UUID
    kind: RecordKind
    decided_at: AwareDatetime
    client_id: ClientId | None
    decision: DecisionOutcome | None
    score: int | None
    model_version: str | None
    origin: Literal["request", "batch", "portfolio", "reconsider"] | None


class DecisionList(BaseModel):
    """A page of records, newest first."""

    decisions: list[ListedDecision]
    next_before: UUID | None = Field(description="The `before` of the next page; null on the last one.")


class DayOfDecisions(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    day: date
    model_version: str | None
    approve: int
    refer: int
    decline: int


class DecisionCounts(BaseModel):
    """Decisions by day (UTC) and model version."""

    days: list[DayOfDecisions]


class Replayed(BaseModel):
    """The result of a replay.

    `identical` is set if the version that decided was replayed; `recorded` and `replayed` if it was another version.
    """

    identical: bool | None = Field(
        default=None, description="Whether the replay gives the recorded decision again, to the bit."
    )
    recorded: dict[str, Any] | None = None
    replayed: dict[str, Any] | None = None
    differences: list[str] = Field(description="Names of the keys that differ.")


class StatedReason(BaseModel):
    code: str
    text: str


class StatedVariation(BaseModel):
    """The smallest single change of a feature that would have led to a more favourable decision."""

    feature: str
    stored: int | float | str | bool | None = Field(alias="from")
    to: int | float | str | None = Field(description="Null if no single change of this feature is enough.")
    text: str


class StatedPlace(BaseModel):
    below: float = Field(ge=0, le=1, description="Share of the model's population with a lower risk.")
    at_or_below: float = Field(ge=0, le=1)
    text: str


class Creditor(BaseModel):
    name: str
    address: str


class Statement(BaseModel):
    """The statement for the client about a decision. A draft for the creditor's lawyers."""

    decision_id: UUID
    decided_at: AwareDatetime
    decision: DecisionOutcome
    text: str
    reasons: list[StatedReason] = Field(max_length=4)
    score: int
    population: StatedPlace | None = Field(description="Null where the model version keeps no population.")
    variations: list[StatedVariation]
    explanation: str | None = Field(
        description="Why there are no reasons and variations, where the model has no tables."
    )
    review: str
    correction: str
    creditor: Creditor
    notice: str | None = Field(description="12 CFR 1002.9(b)(1); null for an approval.")
    draft: str


class Review(BaseModel):
    """A person's review of a decision. `decision` is required if the conclusion is "changed", and not allowed otherwise."""

    model_config = ConfigDict(extra="forbid")

    conclusion: Literal["upheld", "changed"]
    decision: DecisionOutcome | None = None
    comment: str = Field(default="", max_length=10_000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.conclusion == "changed" and self.decision is None:
            raise ValueError("a changed decision needs the new one as `decision`")
        return self


class Recorded(BaseModel):
    """The record that a request has added to the log."""

    decision_id: UUID
    commitment: str = Field(description="HMAC-SHA256 of the record with its salt, in base64.")


class ReviewList(BaseModel):
    """Records of kind `review`, oldest first."""

    reviews: list[DecisionRecord]


class ObservedOutcome(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision_id: UUID
    observed_at: Instant
    defaulted: Annotated[bool, Field(strict=True)]


class ObservedOutcomes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    outcomes: list[ObservedOutcome] = Field(max_length=1_000)


class RefusedOutcome(BaseModel):
    decision_id: UUID
    reason: Literal["before_decision", "in_future", "conflict"]


class TakenOutcomes(BaseModel):
    """How many outcomes were accepted. `unknown` has the ids for which there is no decision."""

    accepted: int
    unchanged: int
    unknown: list[UUID]
    refused: list[RefusedOutcome]
