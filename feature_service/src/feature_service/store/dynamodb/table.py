"""Requests to a DynamoDB table: signed with botocore, sent with aiohttp, retried until the deadline."""

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import orjson
import structlog
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from feature_service.store.dynamodb.credentials import Credentials
from feature_service.store.dynamodb.faults import SILENT, Fault, garbled, refusal
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from shared_schemas.online_items import TableAddress

log = structlog.get_logger()

T = TypeVar("T")

MOST_IN_FLIGHT = 16
_RETRIES = retries.labels("dynamodb")
_ATTEMPT_OF_TIMEOUT = 0.4
"""Maximum duration of one attempt as a part of the timeout, so that there is time for a second one."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.16
_MOST_BYTES = 20 << 20
"""Maximum size of an answer of DynamoDB: 16 MB."""


class Table:
    """Sends requests to one table.

    Raises StoreUnavailable without an answer in `timeout_seconds`, and DeadlineExceeded.
    """

    def __init__(self, http: aiohttp.ClientSession, address: TableAddress, timeout_seconds: float) -> None:
        self.address = address
        self.timeout_seconds = timeout_seconds
        self._http = http
        self._url = address.endpoint or _endpoint(address.region)
        self._credentials = Credentials()

    async def ask(self, operation: str, request: Mapping[str, Any], ask: Ask[object]) -> dict[str, Any]:
        """The answer to one request. Raises NotNewer."""
        return await self.attempted(lambda seconds: self.once(operation, request, seconds), ask)

    async def attempted(self, attempt: Callable[[float], Awaitable[T]], ask: Ask[object]) -> T:
        """Return the result of `attempt(seconds)`. After a Fault that may pass, it is repeated while there is time."""
        now = asyncio.get_running_loop().time
        latest = now() + self.timeout_seconds
        until = min(ask.deadline, latest)
        fault = Fault(SILENT, "no answer in time")
        for pause in _pauses():
            left = until - now()
            if left <= 0:
                break
            began = now()
            try:
                return await attempt(min(left, self.timeout_seconds * _ATTEMPT_OF_TIMEOUT))
            except Fault as error:
                fault = (
                    fault if error.event == SILENT and fault.again else error
                )  # the fault of an earlier attempt says more
            if not fault.again or until - now() <= pause:
                break
            if fault.stale_credentials and not self._credentials.refused(began):
                break
            _RETRIES.inc()
            await asyncio.sleep(pause)
        if until < latest and fault.event == SILENT:
            raise DeadlineExceeded from fault
        raise self.given_up(fault, ask) from fault

    def given_up(self, fault: Fault, ask: Ask[object]) -> StoreUnavailable:
        """The problem for a Fault. Logs the cause, which the caller does not get."""
        table, region, _, _ = self.address
        log.warning(fault.event, cause=fault.cause, table=table, region=region, request_id=ask.request_id)
        return StoreUnavailable()

    async def once(self, operation: str, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Raises Fault and NotNewer."""
        body = orjson.dumps(request)
        try:
            async with asyncio.timeout(seconds):
                headers = await self._signed(operation, body)
                async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                    content = await _content(response)
                    checksum = response.headers.get("x-amz-crc32")
        except TimeoutError as error:
            raise Fault(SILENT, "no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(error) from error
        if checksum is not None and checksum != str(zlib.crc32(content)):
            raise garbled("checksum")
        if response.status != 200:
            raise refusal(response.status, content)
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise garbled("not JSON") from error
        if not isinstance(answer, dict):
            raise garbled("not an object")
        return answer

    def _unreachable(self, error: Exception) -> Fault:
        if isinstance(error, aiohttp.ClientPayloadError):
            return garbled("truncated")
        if isinstance(error, aiohttp.ClientConnectorDNSError) and self.address.endpoint is None:
            return Fault("dynamodb_wrong_region", "no such endpoint")
        return Fault("dynamodb_unreachable", type(error).__name__)

    async def _signed(self, operation: str, body: bytes) -> dict[str, str]:
        request = AWSRequest(
            "POST",
            self._url,
            data=body,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Accept-Encoding": "identity",
            },
        )
        SigV4Auth(await self._credentials.frozen(), "dynamodb", self.address.region).add_auth(request)
        return dict(request.headers.items())


async def _content(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise garbled("too long")
    return b"".join(parts)


def _pauses() -> Iterator[float]:
    """Delays between attempts. Each is up to twice as long as the one before, and random, to spread retries."""
    pause = _FIRST_PAUSE
    while True:
        yield random.uniform(pause / 2, pause)  # noqa: S311 -- nothing secret
        pause = min(2 * pause, _LONGEST_PAUSE)


def _endpoint(region: str) -> str:
    return f"https://dynamodb.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "") + "/"


@asynccontextmanager
async def open_table(address: TableAddress, timeout_seconds: float) -> AsyncIterator[Table]:
    connector = aiohttp.TCPConnector(limit=2 * MOST_IN_FLIGHT, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=None)  # each request has its own
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as http:
        yield Table(http, address, timeout_seconds)
