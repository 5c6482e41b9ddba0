"""Makes decisions: scores vectors, applies the policy, and gives reasons for every decision other than approve."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any, NamedTuple

from prediction_service.policy.rules import ServedPolicy, Verdict
from prediction_service.scoring.decision import Model, Scored, Vector, explainer_of, plain_answer, score
from prediction_service.scoring.reasons import MOST_REASONS


class Decision(NamedTuple):
    """A decision about a vector. `said` completes its `answer`.

    `reason_codes` is None for an approval, if the model has no tables, and if they are neither recorded nor requested.
    """

    scored: Scored
    verdict: Verdict
    reason_codes: list[dict[str, Any]] | None
    answer: dict[str, Any]


class Deciders(NamedTuple):
    """The model and the policy for one request, and its deadline in loop time.

    `reasons`: whether to compute reasons also without a request for an explanation, because they are recorded.
    """

    model: Model
    policy: ServedPolicy
    deadline: float = inf
    reasons: bool = True


async def decide(
    by: Deciders, vectors: Sequence[Vector], *, now: datetime | None = None, explain: bool = False
) -> list[Decision]:
    """Return one decision for each vector, in order. `now`: the time to compute the age of values; None: none is stale.

    Raises InvalidRequest if an explanation is requested and the model has no tables.
    """
    if explain:
        explainer_of(by.model)
    return [_decision(by, scored, explain=explain) for scored in await score(by.model, vectors, now, by.deadline)]


def _decision(by: Deciders, scored: Scored, *, explain: bool) -> Decision:
    model, rules = by.model, by.policy.rules
    verdict = rules.judge(scored.probability, model.threshold, scored.quality)
    answer = plain_answer(model, scored)
    wanted = (by.reasons or explain) and verdict.decision != "approve"
    reasons = reasons_of(model, scored, verdict) if wanted else None
    if explain:
        explanation = explainer_of(model).explain(scored.vector, scored.quality.values, scored.probability)
        answer |= explanation if reasons is None else explanation | {"reason_codes": reasons}
    return Decision(scored, verdict, reasons, answer)


def reasons_of(model: Model, scored: Scored, verdict: Verdict) -> list[dict[str, Any]] | None:
    """At most four reasons, the principal one first: the trigger of a `refer_when` rule, if such a rule decided."""
    if model.explainer is None:
        return None
    values, probability = scored.quality.values, scored.probability
    reasons = model.explainer.reason_codes(values, probability)
    if verdict.trigger is None:
        return reasons
    first = model.explainer.reason_of_state(*verdict.trigger, values, probability)
    others = [reason for reason in reasons if reason["feature"] != first["feature"]]
    return [first, *others][:MOST_REASONS]


def said(
    decision: Decision, policy: ServedPolicy, decision_id: str | None, commitment: str | None
) -> Mapping[str, Any]:
    """Complete the answer of a decision and return it."""
    decision.answer["decision_id"] = decision_id
    decision.answer["decision"] = decision.verdict.decision
    decision.answer["policy_version"] = policy.version
    decision.answer["commitment"] = commitment
    return decision.answer
