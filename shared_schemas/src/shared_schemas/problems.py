"""Problem details (RFC 9457): the body of every answer that is not a success."""

from pydantic import BaseModel, Field


class InvalidPart(BaseModel):
    """One part of a request that is not valid. The value itself is never repeated."""

    pointer: str = Field(
        description="A JSON pointer into the body (`#/client_ids/0`), or `path/NAME`, `query/NAME`, `header/NAME`."
    )
    detail: str


class Problem(BaseModel):
    type: str = Field(description="Stable name of the kind of problem, such as `/problems/client-not-found`.")
    title: str
    status: int
    detail: str | None = None
    instance: str = Field(description="`urn:uuid:` followed by the id of the request.")
    errors: list[InvalidPart] | None = None
