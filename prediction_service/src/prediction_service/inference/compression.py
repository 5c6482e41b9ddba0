"""Request bodies that were sent compressed: decompressed, to at most a size."""

import zlib

from prediction_service.inference.refused import refused
from service_kit.problems import ContentTooLarge

_WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""For zlib; "deflate" is a zlib stream (RFC 9110, section 8.4.1.2)."""


def decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises InvalidRequest, and ContentTooLarge beyond `limit` bytes."""
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in _WINDOW_BITS:
        raise refused("header/Content-Encoding", "It is gzip, deflate or identity")
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise refused("#", "The body is not compressed as Content-Encoding says") from error
    if len(content) > limit:
        raise ContentTooLarge(f"A body has at most {limit} bytes once it is decompressed.")
    if not stream.eof or stream.unused_data:
        raise refused("#", "The compressed body is cut off, or goes on after its end")
    return content
