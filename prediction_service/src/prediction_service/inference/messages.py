"""Schemas of the JSON requests of the Open Inference Protocol V2. Unknown keys are ignored, as the protocol demands."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prediction_service.inference.refused import refused
from service_kit.request.refusals import invalid_request

Datatype = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64", "BYTES"
]
_Name = Annotated[str, Field(min_length=1, max_length=100)]
_MOST_TENSORS = 1_000


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class InputParameters(_Message):
    binary_data_size: int | None = Field(default=None, ge=0)


class Input(_Message):
    """An input tensor. `shape` is [N] or [N, 1]. `data`: one element per row, or a list of one element per row."""

    name: _Name
    shape: Annotated[list[int], Field(min_length=1, max_length=2)]
    datatype: Datatype
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = None


class OutputParameters(_Message):
    binary_data: bool | None = None
    classification: int = Field(default=0, ge=0, le=0, description="0: the classification extension is not supported.")


class WantedOutput(_Message):
    name: _Name
    parameters: OutputParameters = OutputParameters()


class RequestParameters(_Message):
    """The parameters of a request. `timeout` is in microseconds; 0 means no timeout."""

    timeout: int = Field(default=0, ge=0)
    binary_data_output: bool = False


class InferRequest(_Message):
    id: str | None = Field(default=None, max_length=256)
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[Input], Field(max_length=_MOST_TENSORS)]
    outputs: Annotated[list[WantedOutput], Field(max_length=_MOST_TENSORS)] | None = None


def read_message(body: bytes, header_length: bytes) -> tuple[InferRequest, bytes]:
    """Return the JSON message of a body and the bytes after it. Raises InvalidRequest.

    `header_length`: the header field with the length of the JSON in bytes; empty if the whole body is JSON.
    """
    length = len(body)
    if header_length:
        digits = header_length.isdigit() and len(header_length) <= len(str(length))
        if not digits or not 0 < int(header_length) <= length:
            raise refused("header/Inference-Header-Content-Length", "This is not the length of the JSON in the body")
        length = int(header_length)
    try:
        message = InferRequest.model_validate_json(body[:length])
    except ValidationError as error:
        raise invalid_request("body", error) from error
    return message, body[length:]
