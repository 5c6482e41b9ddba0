"""Decides about vectors without a client. The results are bit for bit those of POST /credit_risk."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prediction_service.policy.rules import Policy
from prediction_service.scoring.decision import Scored, plain_answer, score
from prediction_service.state import State
from prediction_service.versions.serving import ServedModel
from service_kit.problems import DeadlineExceeded


class Outcome(NamedTuple):
    """The outputs for one row."""

    probability: float
    score: int
    label: int
    decision: str


async def outcomes_of(
    state: State, model: ServedModel, vectors: Sequence[Mapping[str, Any]], deadline: float
) -> list[Outcome]:
    """Return one outcome per vector, in order. Records nothing. Raises DeadlineExceeded at the loop time `deadline`."""
    rules = state.policies.current.rules
    try:
        async with asyncio.timeout_at(deadline):
            scored = await score(model, vectors)
            await asyncio.sleep(0)  # scoring with tables never waits: only here can the timeout fire
    except TimeoutError as error:
        raise DeadlineExceeded from error
    model.decided(vectors, [one.probability for one in scored])
    return [_outcome(model, one, rules) for one in scored]


def _outcome(model: ServedModel, scored: Scored, rules: Policy) -> Outcome:
    answer = plain_answer(model, scored)
    verdict = rules.judge(scored.probability, model.threshold, scored.quality)
    return Outcome(answer["probability"], answer["score"], answer["label"], verdict.decision)
