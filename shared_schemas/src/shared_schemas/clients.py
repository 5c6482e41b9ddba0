"""Client ids: which ones exist, and how one is read from a URL."""

import re
from typing import Annotated

from pydantic import Field

MAX_CLIENT_ID = 2**63 - 1

ClientId = Annotated[int, Field(strict=True, ge=1, le=MAX_CLIENT_ID, description="Id of a client, 1 to 2^63 - 1.")]

_CANONICAL = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def parse_client_id(text: str) -> int | None:
    """The client id in a URL segment, or None if the segment is no valid id.

    Only the canonical decimal form is an id (no sign, space, leading zero or other script's digits), so that one client
    has one address.
    """
    if not _CANONICAL.fullmatch(text):
        return None
    client_id = int(text)
    return client_id if client_id <= MAX_CLIENT_ID else None
