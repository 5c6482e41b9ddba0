"""Refusal of invalid requests of the foreign protocols."""

from service_kit.problems import InvalidRequest
from shared_schemas import InvalidPart


def refused(pointer: str, detail: str) -> InvalidRequest:
    """Return the problem for one part of a request. The texts must not contain values of the request."""
    return InvalidRequest(errors=[InvalidPart(pointer=pointer, detail=detail)])
