"""Turns vectors and a model into what an answer says: probability, score, label, and what was done about bad values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any, NamedTuple, Protocol

from prediction_service.scoring.quality import Quality, QualityCheck
from prediction_service.scoring.reasons import Explainer
from service_kit.problems import InvalidRequest
from shared_schemas import Feature, InvalidPart

Vector = Mapping[str, Any]
"""The values of features by their names, with `client_id` and `event_timestamp`."""

NOT_FEATURES = frozenset({"client_id", "event_timestamp", "feature_timestamps"})


class Model(Protocol):
    """What a decision needs of a model."""

    @property
    def version(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def inputs(self) -> Sequence[Feature]:
        """Definitions of the features that it reads, in the order of its rows, as they were at training."""

    @property
    def quality(self) -> QualityCheck:
        """The check of a vector against these definitions."""

    @property
    def missing_rules(self) -> Mapping[str, str]:
        """What the model does when a feature is missing, by feature."""

    @property
    def explainer(self) -> Explainer | None:
        """None if this model cannot tell exactly what a feature contributed."""

    async def probabilities(self, rows: Sequence[Sequence[float | None]], until: float = ...) -> Sequence[float]:
        """Probability of default of each row; values in the order of `inputs`, None is missing.

        Raises DeadlineExceeded at the loop time `until`.
        """


class Scored(NamedTuple):
    """A vector, what its check found, and the probability of default."""

    vector: Vector
    quality: Quality
    probability: float


async def score(
    model: Model, vectors: Sequence[Vector], now: datetime | None = None, until: float = inf
) -> list[Scored]:
    """Score vectors, in their order. `now`: the instant at which values may be too old; without it none is.

    `until`: the loop time up to which the model may take.
    """
    check = model.quality.check
    checked = [check(vector, now) for vector in vectors]
    probabilities = await model.probabilities([quality.values for quality in checked], until)
    return [Scored(*parts) for parts in zip(vectors, checked, probabilities, strict=True)]


def label_of(probability: float, threshold: float) -> int:
    """1: the model expects a default."""
    return int(probability >= threshold)


def score_of(probability: float) -> int:
    """0 (good) to 1000 (bad)."""
    return int(probability * 1000)


def plain_answer(model: Model, scored: Scored) -> dict[str, Any]:
    """The keys of every `shared_schemas.CreditRisk`, but for those of the decision."""
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
    """Raises InvalidRequest."""
    if model.explainer is None:
        detail = "The model that decides at the moment has no tables, and so cannot be explained exactly"
        raise InvalidRequest(errors=[InvalidPart(pointer="query/explain", detail=detail)])
    return model.explainer
