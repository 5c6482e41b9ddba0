"""Parses and writes tensors of the Open Inference Protocol V2, as JSON or as bytes.

A request is JSON. With the header Inference-Header-Content-Length, it is that many bytes of JSON, followed by the
contents of all inputs with `binary_data_size`, in order. They are little-endian; each element of BYTES follows its
length in four bytes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from prediction_service.inference.messages import Input
from prediction_service.inference.refused import refused

Value = float | int | str | None
"""An element of a tensor; None for null and NaN."""

_FORMATS = {
    "BOOL": "B", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H", "UINT32": "I",
    "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
_LONGEST_BYTES = 4_000
"""Maximum bytes of one element of BYTES. The longest name of a category has 1,000 characters."""


class Tensor(NamedTuple):
    """An input tensor with one value per row. `datatype`: as in the request."""

    name: str
    datatype: str
    values: Sequence[Value]


def read_tensors(inputs: Sequence[Input], binary: bytes, most_rows: int) -> list[Tensor]:
    """Parse the inputs, which all have the same number of rows, 1 to `most_rows`. Raises InvalidRequest.

    `binary`: the bytes after the JSON.
    """
    names = {given.name for given in inputs}
    if not inputs or len(names) != len(inputs):
        raise refused("#/inputs", "There must be at least one input, and none twice")
    rows = inputs[0].shape[0]
    if not 1 <= rows <= most_rows:
        raise refused("#/inputs/0/shape", f"A request must have 1 to {most_rows} rows")
    tensors, start = [], 0
    for position, given in enumerate(inputs):
        pointer = f"#/inputs/{position}"
        if given.shape not in ([rows], [rows, 1]):
            raise refused(f"{pointer}/shape", "The shape must be [N] or [N, 1], with the same N for all inputs")
        size = given.parameters.binary_data_size
        if (size is None) == (given.data is None):
            raise refused(pointer, "An input must have either data, or binary_data_size in its parameters")
        if size is None:
            values = _of_json(given, rows, pointer)
        else:
            values = _of_bytes(given.datatype, binary[start : start + size], rows, pointer)
            start += size
        tensors.append(Tensor(given.name, given.datatype, values))
    if start != len(binary):
        raise refused("#", "The number of bytes after the JSON is not the sum of all binary_data_size")
    return tensors


def _of_json(given: Input, rows: int, pointer: str) -> list[Value]:
    data = given.data or []
    if len(data) == rows and all(isinstance(element, list) and len(element) == 1 for element in data):
        data = [element[0] for element in data]
    if len(data) != rows:
        raise refused(f"{pointer}/data", "The number of elements is not that of the shape")
    fits = _FITS["BYTES" if given.datatype == "BYTES" else "FP" if given.datatype.startswith("FP") else given.datatype]
    values: list[Value] = []
    for element in data:
        if element is None or element != element:  # noqa: PLR0124 -- only NaN differs from itself
            values.append(None)
        elif fits(element):
            values.append(int(element) if isinstance(element, bool) else element)
        else:
            raise refused(f"{pointer}/data", "An element does not have the datatype of the input")
    return values


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda element: type(element) is int and low <= element < high


_FITS: dict[str, Callable[[Any], bool]] = {
    "BYTES": lambda element: isinstance(element, str) and len(element) <= _LONGEST_BYTES,
    "FP": lambda element: type(element) in (int, float),
    "BOOL": lambda element: isinstance(element, bool),
    **{f"INT{bits}": _whole(-(2 ** (bits - 1)), 2 ** (bits - 1)) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": _whole(0, 2**bits) for bits in (8, 16, 32, 64)},
}


def _of_bytes(datatype: str, content: bytes, rows: int, pointer: str) -> list[Value]:
    if datatype == "BYTES":
        return _texts(content, rows, pointer)
    layout = struct.Struct(f"<{rows}{_FORMATS[datatype]}")
    if len(content) != layout.size:
        raise refused(f"{pointer}/parameters/binary_data_size", "The size does not fit the shape and the datatype")
    values = layout.unpack(content)
    if datatype == "BOOL" and not set(values) <= {0, 1}:
        raise refused(f"{pointer}", "An element of BOOL must be a byte of 0 or 1")
    return [None if value != value else value for value in values]  # noqa: PLR0124 -- only NaN differs from itself


def _texts(content: bytes, rows: int, pointer: str) -> list[Value]:
    texts: list[Value] = []
    start = 0
    for _ in range(rows):
        if start + 4 > len(content):
            raise refused(pointer, "There are fewer elements of BYTES than the shape says")
        (length,) = struct.unpack_from("<I", content, start)
        end = start + 4 + length
        if length > _LONGEST_BYTES or end > len(content):
            raise refused(pointer, "An element of BYTES is longer than allowed, or than the remaining bytes")
        try:
            texts.append(content[start + 4 : end].decode())
        except UnicodeDecodeError as error:
            raise refused(pointer, "An element of BYTES is not UTF-8") from error
        start = end
    if start != len(content):
        raise refused(pointer, "There are more elements of BYTES than the shape says")
    return texts


class Output(NamedTuple):
    """An output tensor of shape [N]."""

    name: str
    datatype: Literal["FP64", "INT64", "BYTES"]
    values: Sequence[float | int | str]

    def as_bytes(self) -> bytes:
        if self.datatype == "BYTES":
            texts = [str(value).encode() for value in self.values]
            return b"".join(struct.pack("<I", len(text)) + text for text in texts)
        return struct.pack(f"<{len(self.values)}{_FORMATS[self.datatype]}", *self.values)
