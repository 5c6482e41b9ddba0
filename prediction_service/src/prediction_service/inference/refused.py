"""The refusal of a request that one of the foreign protocols does not allow."""

from service_kit.problems import InvalidRequest
from shared_schemas import InvalidPart


def refused(pointer: str, detail: str) -> InvalidRequest:
    """The problem that one part of a request is; neither text holds what was sent."""
    return InvalidRequest(errors=[InvalidPart(pointer=pointer, detail=detail)])
