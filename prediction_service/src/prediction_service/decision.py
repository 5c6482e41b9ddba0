"""Turns a vector and a model into the answer: probability, score, label, and what was done about bad values."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Query

from prediction_service.quality import check
from prediction_service.reasons import Explainer
from service_kit.problems import InvalidRequest
from shared_schemas import FEATURE_NAMES, InvalidPart

Explain = Annotated[
    bool, Query(description="Add to each answer what every feature contributed, and the adverse reasons in words.")
]


class Model(Protocol):
    """What a decision needs of a model."""

    @property
    def version(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def missing_rules(self) -> Mapping[str, str]:
        """What the model does when a feature is missing, by feature."""

    @property
    def explainer(self) -> Explainer | None:
        """None if this model cannot tell exactly what a feature contributed."""

    async def probabilities(self, rows: Sequence[Sequence[float | None]]) -> Sequence[float]:
        """Probability of default of each row; values in the order of FEATURE_NAMES, None is missing."""


async def decide(model: Model, vectors: Sequence[Mapping[str, Any]], *, explain: bool = False) -> list[dict[str, Any]]:
    """The answers of one model about vectors, in their order: bodies of `shared_schemas.CreditRisk`."""
    explainer = _explainer(model) if explain else None
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
        if explainer:
            answers[-1] |= explainer.explain(vector, quality.values, probability)
    return answers


def _explainer(model: Model) -> Explainer:
    if model.explainer is None:
        detail = "The model that decides at the moment has no tables, and so cannot be explained exactly"
        raise InvalidRequest(errors=[InvalidPart(pointer="query/explain", detail=detail)])
    return model.explainer
