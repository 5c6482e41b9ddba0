"""Operations of the Open Inference Protocol V2 over REST, for clients of Triton and KServe."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from prediction_service.errors import ModelNotFound
from prediction_service.inference.answers import (
    Health,
    IndexEntry,
    InferenceError,
    InferResponse,
    ModelMetadata,
    ModelNames,
    ModelReady,
    ServerMetadata,
)
from prediction_service.inference.columns import vectors_of
from prediction_service.inference.compression import decompressed
from prediction_service.inference.messages import InferRequest, read_message
from prediction_service.inference.outcomes import Outcome, outcomes_of
from prediction_service.inference.refused import refused
from prediction_service.inference.tensors import Output, read_tensors
from prediction_service.state import State
from prediction_service.versions.serving import ServedModel
from service_kit.operations import Answer, Operations, json_bytes
from service_kit.problems import InvalidRequest, ProblemError
from service_kit.request.ask import Ask
from service_kit.request.dialects import Dialect, message_of


def _failure(problem: ProblemError) -> Response:
    # KServe's clients read `error` only with exactly this media type. Triton's clients expect 400 for invalid requests.
    status = 400 if isinstance(problem, InvalidRequest) else problem.status
    return Response(
        json_bytes({"error": message_of(problem)}), status, problem.answer_headers(), media_type="application/json"
    )


_DIALECT = Dialect(re.compile(r"/v2(/|$)"), _failure, "application/json", InferenceError.model_json_schema())
_NOT_FOUND = {404: "No such model or version.", 503: "No model is available."}
_INFER_PROBLEMS = {
    400: "The request is not valid.",
    413: "The body is too large, as sent or decompressed.",
    504: "The request exceeded its deadline or its `timeout`.",
} | _NOT_FOUND
_LENGTH = "Inference-Header-Content-Length"
_IN_A_THREAD = 16_384
"""Body size in bytes above which parsing takes more than 1 ms and runs in a thread."""

operations = Operations[State]("Open Inference Protocol V2", "/v2", _DIALECT)

_OUTPUTS: Mapping[str, Any] = {"probability": "FP64", "score": "INT64", "label": "INT64", "decision": "BYTES"}


def _served(state: State, model: str, version: str | None = None) -> ServedModel:
    """The champion. Raises ModelNotFound if it has another name or version, and ModelUnavailable if there is none."""
    champion = state.models.champion
    if model != champion.manifest.feature_set or version not in (None, champion.version):
        raise ModelNotFound
    return champion


@operations.declare("GET", "", ServerMetadata, scope="predict")
async def server_metadata(_: Ask[State]) -> bytes:
    """Read the name, version and extensions of the server"""
    return json_bytes(
        {"name": "prediction_service", "version": "1.0.0", "extensions": ["binary_tensor_data", "model_repository"]}
    )


@operations.declare("GET", "/health/live", Health, scope=None)
async def server_live(ask: Ask[State]) -> bytes:
    """Whether the server runs"""
    return json_bytes({"live": True, "ready": ask.state.models.served_champion is not None})


@operations.declare("GET", "/health/ready", Health, scope=None, problems={503: "No model is available."})
async def server_ready(ask: Ask[State]) -> Answer:
    """Whether a model is available"""
    ready = ask.state.models.served_champion is not None
    return Answer(json_bytes({"live": True, "ready": ready}), 200 if ready else 503)


@operations.declare("GET", "/models", ModelNames, scope="predict")
async def model_names(ask: Ask[State]) -> bytes:
    """List the available models"""
    champion = ask.state.models.served_champion
    return json_bytes({"models": [champion.manifest.feature_set] if champion else []})


@operations.declare("POST", "/repository/index", list[IndexEntry], scope="predict")
async def repository_index(ask: Ask[State]) -> bytes:
    """List the available models and their versions"""
    champion = ask.state.models.served_champion
    entry = champion and {
        "name": champion.manifest.feature_set,
        "version": champion.version,
        "state": "READY",
        "reason": "",
    }
    return json_bytes([entry] if entry else [])


@operations.declare("GET", "/models/{model}/ready", ModelReady, scope="predict", problems=_NOT_FOUND)
async def model_ready(ask: Ask[State], model: str) -> bytes:
    """Whether this model is available"""
    return _ready(_served(ask.state, model))


@operations.declare("GET", "/models/{model}/versions/{version}/ready", ModelReady, scope="predict", problems=_NOT_FOUND)
async def version_ready(ask: Ask[State], model: str, version: str) -> bytes:
    """Whether this version of the model is available"""
    return _ready(_served(ask.state, model, version))


def _ready(model: ServedModel) -> bytes:
    return json_bytes({"name": model.manifest.feature_set, "ready": True})


@operations.declare("GET", "/models/{model}/versions/{version}", ModelMetadata, scope="predict", problems=_NOT_FOUND)
async def version_metadata(ask: Ask[State], model: str, version: str) -> bytes:
    """Read the inputs and outputs of a version"""
    return _metadata(_served(ask.state, model, version))


@operations.declare("GET", "/models/{model}", ModelMetadata, scope="predict", problems=_NOT_FOUND)
async def model_metadata(ask: Ask[State], model: str) -> bytes:
    """Read the inputs and outputs of a model"""
    return _metadata(_served(ask.state, model))


def _metadata(model: ServedModel) -> bytes:
    inputs = [(one.name, "BYTES" if one.type == "category" else "FP64") for one in model.inputs]
    return json_bytes(
        {
            "name": model.manifest.feature_set,
            "versions": [model.version],
            "platform": f"creditrisk_{model.manifest.kind}",
            "inputs": _described(inputs),
            "outputs": _described(_OUTPUTS.items()),
        }
    )


def _described(tensors: Any) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in tensors]


def _infer_document(_: State) -> dict[str, Any]:
    schema = InferRequest.model_json_schema()
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"content": {"application/json": {"schema": schema}, "application/octet-stream": binary}}}


@operations.declare(
    "POST",
    "/models/{model}/infer",
    InferResponse,
    scope="predict",
    problems=_INFER_PROBLEMS,
    document=_infer_document,
)
async def infer(ask: Ask[State], model: str, body: bytes) -> Answer:
    """Score rows of values

    Send one tensor of shape [N] or [N, 1] for each input, with the name of the feature. An absent tensor, NaN, null,
    and the empty text for a category are missing values. Nothing is recorded.
    """
    return await _inferred(ask, _served(ask.state, model), body)


@operations.declare(
    "POST",
    "/models/{model}/versions/{version}/infer",
    InferResponse,
    scope="predict",
    problems=_INFER_PROBLEMS,
    document=_infer_document,
)
async def infer_by_version(ask: Ask[State], model: str, version: str, body: bytes) -> Answer:
    """Score rows of values with a version

    Like the request without a version. Only the version that decides is available.
    """
    return await _inferred(ask, _served(ask.state, model, version), body)


class _Question(NamedTuple):
    message: InferRequest
    vectors: Sequence[Mapping[str, Any]]


async def _inferred(ask: Ask[State], model: ServedModel, body: bytes) -> Answer:
    if len(body) < _IN_A_THREAD and not ask.header(b"content-encoding"):
        question = _read(ask, model, body)
    else:
        question = await asyncio.to_thread(_read, ask, model, body)
    timeout = question.message.parameters.timeout
    deadline = min(ask.deadline, asyncio.get_running_loop().time() + timeout / 1e6) if timeout else ask.deadline
    outcomes = await outcomes_of(ask.state, model, question.vectors, deadline)
    return _written(ask, model, question.message, outcomes)


def _read(ask: Ask[State], model: ServedModel, body: bytes) -> _Question:
    settings = ask.state.settings
    plain = decompressed(body, ask.header(b"content-encoding"), settings.max_body_bytes)
    message, binary = read_message(plain, ask.header(_LENGTH.lower().encode()))
    tensors = read_tensors(message.inputs, binary, settings.max_batch_ids)
    columns = {tensor.name: tensor.values for tensor in tensors}
    wanted = [output.name for output in message.outputs or ()]
    if not _OUTPUTS.keys() >= set(wanted) or len(set(wanted)) != len(wanted):
        raise refused("#/outputs", f"Outputs are {', '.join(_OUTPUTS)}, each at most once")
    return _Question(message, vectors_of(model.manifest, columns, len(tensors[0].values)))


def _written(ask: Ask[State], model: ServedModel, message: InferRequest, outcomes: Sequence[Outcome]) -> Answer:
    by_default = message.parameters.binary_data_output
    if message.outputs:
        wanted = [
            (one.name, by_default if (own := one.parameters.binary_data) is None else own) for one in message.outputs
        ]
    else:
        wanted = [(name, by_default) for name in _OUTPUTS]
    described, contents = [], []
    for name, binary in wanted:
        output = Output(name, _OUTPUTS[name], [getattr(outcome, name) for outcome in outcomes])
        head: dict[str, Any] = {"name": name, "datatype": output.datatype, "shape": [len(outcomes)]}
        if binary:
            contents.append(output.as_bytes())
            described.append(head | {"parameters": {"binary_data_size": len(contents[-1])}})
        else:
            described.append(head | {"data": output.values})
    names = {"model_name": model.manifest.feature_set, "model_version": model.version}
    head_bytes = json_bytes(names | {"id": message.id or ask.request_id, "outputs": described})
    if not contents:
        return Answer(head_bytes)
    headers = {_LENGTH: str(len(head_bytes))}
    return Answer(b"".join([head_bytes, *contents]), headers=headers, media_type="application/octet-stream")
