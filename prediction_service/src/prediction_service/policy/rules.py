"""The rules of a policy: parses and checks TOML, and derives decisions. Pure functions: no files."""

import tomllib
from collections.abc import Collection
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from prediction_service.scoring.quality import Quality

Outcome = Literal["approve", "refer", "decline"]
State = Literal["missing", "failed", "stale"]
Bound = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | Literal["threshold"] | None
"""A probability, or "threshold" for the threshold of the champion."""

_PART = r"^[A-Za-z0-9][A-Za-z0-9._]{0,30}\z"

DEFAULT = b'name = "default"\nversion = "1"\ndecline_from = "threshold"\n'
"""The policy of an installation without its own policy: decline if the label is 1."""


class PolicyRefused(Exception):
    """The policy cannot be used. The message says why, for the author of the policy."""


class Trigger(BaseModel):
    """Refer when a stored value is in one of these states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str = Field(min_length=1, max_length=63)
    state: tuple[State, ...] = Field(min_length=1)


class Verdict(NamedTuple):
    """A decision. `decided_by`: the rule that applied, or None. `trigger`: feature and state if it was `refer_when`."""

    decision: Outcome
    decided_by: str | None
    trigger: tuple[str, State] | None = None


class Policy(BaseModel):
    """The rules to approve, refer or decline. The most severe rule that applies decides.

    If both rules that refer apply, `decided_by` names `refer_when`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_PART)
    version: str = Field(pattern=_PART)
    decline_from: Bound = "threshold"
    refer_from: Bound = None
    refer_when: tuple[Trigger, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        decline, refer = self.decline_from, self.refer_from
        if isinstance(decline, float) and isinstance(refer, float) and refer > decline:
            raise ValueError("refer_from lies above decline_from")
        return self

    def defect(self, threshold: float, inputs: Collection[str]) -> str | None:
        """Why the policy does not fit a model with this threshold and these inputs; None if it fits."""
        decline, refer = bound(self.decline_from, threshold), bound(self.refer_from, threshold)
        if decline is not None and refer is not None and refer > decline:
            return "refer_from lies above decline_from, given the threshold of the model"
        unknown = sorted({rule.feature for rule in self.refer_when} - set(inputs))
        return f"refer_when names what is no input of the model: {', '.join(unknown)}" if unknown else None

    def judge(self, probability: float, threshold: float, quality: Quality) -> Verdict:
        decline = bound(self.decline_from, threshold)
        if decline is not None and probability >= decline:
            return _DECLINE
        if self.refer_when and quality.missing:
            for rule in self.refer_when:
                state = state_of(rule.feature, quality)
                if state in rule.state:
                    return Verdict("refer", f"refer_when {rule.feature} is {state}", (rule.feature, state))
        refer = bound(self.refer_from, threshold)
        if refer is not None and probability >= refer:
            return _REFER
        return _APPROVE


_DECLINE, _REFER, _APPROVE = (
    Verdict("decline", "decline_from"),
    Verdict("refer", "refer_from"),
    Verdict("approve", None),
)


class ServedPolicy(NamedTuple):
    """A policy with its identity: `version` is NAME-VERSION, `sha256` is the digest of the file's bytes."""

    version: str
    sha256: str
    rules: Policy


def bound(given: Bound, threshold: float) -> float | None:
    return threshold if given == "threshold" else given


def state_of(feature: str, quality: Quality) -> State | None:
    """Why the model could not use a stored value, or None if it could."""
    if feature not in quality.missing:
        return None
    if feature in quality.failed:
        return "failed"
    return "stale" if feature in quality.stale else "missing"


def read_policy(content: bytes) -> ServedPolicy:
    """Parse and validate a policy file. Raises PolicyRefused."""
    try:
        policy = Policy.model_validate(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyRefused("it is not TOML") from error
    except ValidationError as error:
        raise PolicyRefused("; ".join(dict.fromkeys(_words(found) for found in error.errors()))) from error
    return ServedPolicy(f"{policy.name}-{policy.version}", sha256(content).hexdigest(), policy)


def _words(found: object) -> str:
    loc: tuple[int | str, ...] = found["loc"]  # type: ignore[index]
    if loc and loc[0] in _BOUNDS:
        return f'{loc[0]}: neither a probability (0 to 1, such as 0.2 or 1.0) nor "threshold"'
    place = ".".join(map(str, loc))
    message = str(found["msg"]).removeprefix("Value error, ")  # type: ignore[index]
    return f"{place}: {message}" if place else message


_BOUNDS = ("decline_from", "refer_from")
DEFAULT_POLICY = read_policy(DEFAULT)
