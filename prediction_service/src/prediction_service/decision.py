"""Turns a vector and a model into the answer: probability, score, label, and what was done about bad values."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from prediction_service.quality import check
from shared_schemas import FEATURE_NAMES


class Model(Protocol):
    """What a decision needs of a model."""

    @property
    def version(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def missing_rules(self) -> Mapping[str, str]:
        """What the model does when a feature is missing, by feature."""

    async def probabilities(self, rows: Sequence[Sequence[float | None]]) -> Sequence[float]:
        """Probability of default of each row; values in the order of FEATURE_NAMES, None is missing."""


async def decide(model: Model, vectors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answers of one model about vectors, in their order: bodies of `shared_schemas.CreditRisk`."""
    checked = [check(vector) for vector in vectors]
    probabilities = await model.probabilities([quality.values for quality in checked])
    answers = []
    for vector, quality, probability in zip(vectors, checked, probabilities, strict=True):
        answers.append(
            {
                "client_id": vector.get("client_id"),
                "label": int(probability >= model.threshold),
                "score": int(probability * 1000),
                "probability": probability,
                "threshold": model.threshold,
                "input_variables": {name: vector[name] for name in FEATURE_NAMES},
                "qa_failure_cases": quality.failed or None,
                "imputed": {name: {"rule": model.missing_rules[name], "value": None} for name in quality.missing}
                or None,
                "model_version": model.version,
                "event_timestamp": vector["event_timestamp"],
            }
        )
    return answers
