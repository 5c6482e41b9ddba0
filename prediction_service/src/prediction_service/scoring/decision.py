"""Scores vectors with a model: probability, score, label, and the handling of missing, failed and stale values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any, NamedTuple, Protocol

from prediction_service.scoring.quality import Quality, QualityCheck
from prediction_service.scoring.reasons import Explainer
from service_kit.problems import InvalidRequest
from shared_schemas import Feature, InvalidPart

Vector = Mapping[str, Any]
"""Values of features by name, with `client_id` and `event_timestamp`."""

NOT_FEATURES = frozenset({"client_id", "event_timestamp", "feature_timestamps"})


class Model(Protocol):
    """The parts of a model that a decision needs."""

    @property
    def version(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def inputs(self) -> Sequence[Feature]:
        """Definitions, as they were at training, of the features that the model reads, in the order of its rows."""

    @property
    def quality(self) -> QualityCheck:
        """The check of a vector against these definitions."""

    @property
    def missing_rules(self) -> Mapping[str, str]:
        """The rule of the model for a missing value, by feature."""

    @property
    def explainer(self) -> Explainer | None:
        """None if the model cannot compute exact contributions of its features."""

    async def probabilities(self, rows: Sequence[Sequence[float | None]], until: float = ...) -> Sequence[float]:
        """The probability of default of each row. Values are in the order of `inputs`; None is a missing value.

        Raises DeadlineExceeded at the loop time `until`.
        """


class Scored(NamedTuple):
    """A vector, the result of its quality check, and its probability of default."""

    vector: Vector
    quality: Quality
    probability: float


async def score(
    model: Model, vectors: Sequence[Vector], now: datetime | None = None, until: float = inf
) -> list[Scored]:
    """Return a score for each vector, in order. `now`: the time to compute the age of values; without it none is stale.

    `until`: the deadline of the model, in loop time.
    """
    check = model.quality.check
    checked = [check(vector, now) for vector in vectors]
    probabilities = await model.probabilities([quality.values for quality in checked], until)
    return [Scored(*parts) for parts in zip(vectors, checked, probabilities, strict=True)]


def label_of(probability: float, threshold: float) -> int:
    """1 if the model expects a default, else 0."""
    return int(probability >= threshold)


def score_of(probability: float) -> int:
    """The score, from 0 (good) to 1000 (bad)."""
    return int(probability * 1000)


def plain_answer(model: Model, scored: Scored) -> dict[str, Any]:
    """The keys of every `shared_schemas.CreditRisk`, without those of the decision."""
    vector, quality, probability = scored
    return {
        "client_id": vector.get("client_id"),
        "label": label_of(probability, model.threshold),
        "score": score_of(probability),
        "probability": probability,
        "threshold": model.threshold,
        "input_variables": model.quality.stored(vector),
        "qa_failure_cases": quality.failed or None,
        "imputed": (
            {name: {"rule": model.missing_rules[name], "value": None} for name in quality.missing}
            if quality.missing
            else None
        ),
        "model_version": model.version,
        "event_timestamp": vector["event_timestamp"],
        "stale": quality.stale or None,
    }


def explainer_of(model: Model) -> Explainer:
    """The explainer of the model. Raises InvalidRequest if it has none."""
    if model.explainer is None:
        detail = "The present champion has no tables, so it cannot be explained exactly"
        raise InvalidRequest(errors=[InvalidPart(pointer="query/explain", detail=detail)])
    return model.explainer
