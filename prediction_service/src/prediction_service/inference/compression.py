"""Decompresses request bodies, up to a maximum size."""

import zlib

from prediction_service.inference.refused import refused
from service_kit.problems import ContentTooLarge

_WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""The parameter `wbits` of zlib, by content encoding; "deflate" is a zlib stream (RFC 9110, section 8.4.1.2)."""


def decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return the decompressed body. Raises InvalidRequest, and ContentTooLarge if it is longer than `limit` bytes."""
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in _WINDOW_BITS:
        raise refused("header/Content-Encoding", "The encoding must be gzip, deflate or identity")
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise refused("#", "The body is not compressed in the encoding of the header Content-Encoding") from error
    if len(content) > limit:
        raise ContentTooLarge(f"A decompressed body has at most {limit} bytes.")
    if not stream.eof or stream.unused_data:
        raise refused("#", "The compressed body is incomplete, or has further bytes after its end")
    return content
