"""A request that offers another protocol is answered in HTTP/1.1, body and all, and so is what follows it."""

import pytest

from contract.serving import sent, served
from contract.test_direct import BATCH, VECTOR, get, posted, undated

JAVA = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
CHUNKED = posted(BATCH, *JAVA).replace(b"Content-Length: 20", b"Transfer-Encoding: chunked").replace(
    BATCH, b"5\r\n%b\r\nf\r\n%b\r\n0\r\n\r\n" % (BATCH[:5], BATCH[5:])
)  # fmt: skip
LAST = get(VECTOR, "Connection: close")


@pytest.mark.parametrize(
    ("offering", "plain"),
    [
        (get(VECTOR, *JAVA), get()),
        (get(VECTOR, "Connection: upgrade", "Upgrade: websocket"), get()),
        (get("/online_feature_store/client_id=x", *JAVA), get("/online_feature_store/client_id=x")),
        (posted(BATCH, *JAVA), posted(BATCH)),
        (posted(b" " * 70_000 + BATCH, *JAVA), posted(b" " * 70_000 + BATCH)),
        (posted(b"{", *JAVA), posted(b"{")),
        (CHUNKED, posted(BATCH)),
    ],
    ids=["GET", "WebSocket", "refused", "POST", "long POST", "refused POST", "chunked POST"],
)
def test_the_offer_is_declined(offering: bytes, plain: bytes) -> None:
    with served() as running:
        expected = undated(sent(running.port, plain + LAST))
        assert undated(sent(running.port, offering + LAST)) == expected  # all in one
        for cut in (len(offering) // 3, len(offering) - 10, len(offering)):
            assert undated(sent(running.port, offering[:cut], offering[cut:] + LAST, pause=0.02)) == expected
        assert undated(sent(running.port, get() + offering + LAST)) == undated(sent(running.port, get() + plain + LAST))
        assert not running.protocol.slots.taken


def test_offers_without_end_are_no_way_past_the_limits() -> None:
    with served(max_head_bytes=2_000, max_pipelined_requests=4) as running:
        long = get(VECTOR, *JAVA, *(f"X-{number}: {'a' * 90}" for number in range(30)))
        assert sent(running.port, long).startswith(b"HTTP/1.1 431 ")
    with served(seconds=0.2, max_pipelined_requests=4) as running:
        answers = sent(running.port, get(VECTOR, *JAVA) * 30)
        assert answers.count(b" 200 OK") == 5
        assert b" 503 " in answers


def test_offers_are_declined_however_many_arrive_at_once() -> None:
    with served(max_pipelined_requests=1_000) as running:
        assert sent(running.port, get(VECTOR, *JAVA[:2]) * 700 + LAST, patience=10).count(b" 200 OK") == 701


@pytest.mark.parametrize("host", ["localhost", "localhost:443"])
@pytest.mark.parametrize("offer", [(), ("Connection: upgrade", "Upgrade: h2c")])
def test_a_tunnel_is_refused(host: str, offer: tuple[str, ...]) -> None:
    asked = "\r\n".join([f"CONNECT {host} HTTP/1.1", f"Host: {host}", *offer, "", ""]).encode()
    with served() as running:
        assert sent(running.port, asked).startswith(b"HTTP/1.1 400 ")
        first, _, refused = sent(running.port, get() + asked).partition(b"HTTP/1.1 400 ")
        assert first.startswith(b"HTTP/1.1 200 ")
        assert b"/problems/bad-request" in refused
        first, _, refused = sent(running.port, get(), asked, pause=0.1).partition(b"HTTP/1.1 400 ")
        assert first.startswith(b"HTTP/1.1 200 ")
        assert b"/problems/bad-request" in refused
