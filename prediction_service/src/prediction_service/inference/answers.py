"""Schemas of the JSON answers of the Open Inference Protocol V2."""

from typing import Any

from pydantic import BaseModel


class InferenceError(BaseModel):
    """The form in which clients of this protocol expect an error."""

    error: str


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Health(BaseModel):
    live: bool
    ready: bool


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(BaseModel):
    name: str
    ready: bool


class ModelNames(BaseModel):
    models: list[str]


class IndexEntry(BaseModel):
    name: str
    version: str
    state: str
    reason: str


class OutputTensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]
