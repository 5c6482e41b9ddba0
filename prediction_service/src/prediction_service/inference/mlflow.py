"""Operations of MLflow's scoring protocol (also SageMaker's): /invocations, /ping, /health, /version."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from prediction_service.inference.columns import vectors_of
from prediction_service.inference.outcomes import outcomes_of
from prediction_service.inference.refused import refused
from prediction_service.inference.tables import Invocation, read_csv, read_json
from prediction_service.state import State
from prediction_service.versions.serving import ServedModel
from service_kit.operations import Answer, Operations, json_bytes
from service_kit.problems import InvalidRequest, ProblemError
from service_kit.request.ask import Ask
from service_kit.request.dialects import Dialect, message_of

_CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND",
    413: "MAX_READ_SIZE_EXCEEDED", 429: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
"""The MLflow ErrorCode of each status."""


class MlflowError(BaseModel):
    """The form in which MLflow's clients expect an error."""

    error_code: str
    message: str


def _failure(problem: ProblemError) -> Response:
    status = 400 if isinstance(problem, InvalidRequest) else problem.status
    code = _CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    body = json_bytes({"error_code": code, "message": message_of(problem)})
    return Response(body, status, problem.answer_headers(), media_type="application/json")


_PATHS = re.compile(r"/(invocations|ping|health|version)$")
_DIALECT = Dialect(_PATHS, _failure, "application/json", MlflowError.model_json_schema())
_ALIVE = Answer(b"\n", media_type="text/plain")
_IN_A_THREAD = 16_384
"""Body size in bytes above which parsing takes more than 1 ms and runs in a thread."""

operations = Operations[State]("MLflow scoring", dialect=_DIALECT)


class Prediction(BaseModel):
    """The outputs for one row."""

    probability: float
    score: int
    label: int
    decision: str


class Predictions(BaseModel):
    predictions: list[Prediction]


@operations.declare("GET", "/ping", "text/plain", scope=None, problems={503: "No model is available."})
async def ping(ask: Ask[State]) -> Answer:
    """Whether a model is available"""
    _ = ask.state.models.champion
    return _ALIVE


@operations.declare("GET", "/health", "text/plain", scope=None, problems={503: "No model is available."})
async def health(ask: Ask[State]) -> Answer:
    """Whether a model is available"""
    _ = ask.state.models.champion
    return _ALIVE


@operations.declare("GET", "/version", "text/plain", scope="predict")
async def version(_: Ask[State]) -> Answer:
    """Read the version of the server"""
    return Answer(b"1.0.0")


def _document(_: State) -> dict[str, Any]:
    forms = {"application/json": {"schema": Invocation.model_json_schema()}, "text/csv": {"schema": {"type": "string"}}}
    return {"requestBody": {"content": forms}}


@operations.declare(
    "POST",
    "/invocations",
    Predictions,
    scope="predict",
    problems={
        400: "The request is not valid.",
        413: "The body is too large.",
        503: "No model is available.",
        504: "The request exceeded its deadline.",
    },
    document=_document,
)
async def invocations(ask: Ask[State], body: bytes) -> bytes:
    """Score rows of values

    Send one column for each input, with the name of the feature. An absent column, null, NaN and an empty text are
    missing values. Nothing is recorded.
    """
    model = ask.state.models.champion
    if len(body) < _IN_A_THREAD:
        vectors = _read(ask, model, body)
    else:
        vectors = await asyncio.to_thread(_read, ask, model, body)
    outcomes = await outcomes_of(ask.state, model, vectors, ask.deadline)
    return json_bytes({"predictions": [outcome._asdict() for outcome in outcomes]})


def _read(ask: Ask[State], model: ServedModel, body: bytes) -> Sequence[Mapping[str, Any]]:
    most_rows = ask.state.settings.max_batch_ids
    match ask.header(b"content-type").partition(b";")[0].strip().lower():
        case b"text/csv":
            table = read_csv(body, model.manifest.features, most_rows)
        case b"application/json" | b"":
            table = read_json(body, most_rows)
        case _:
            raise refused("header/Content-Type", "The content type must be application/json or text/csv")
    return vectors_of(model.manifest, table.columns, table.rows)
