"""The vectors of all clients, page by page; the next page is on its way while one is worked on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import orjson

from prediction_service.settings import Settings
from shared_schemas import FeatureDefinitions

_AGAIN = (0.2, 1.0, 5.0)
"""Seconds to wait before a page is asked for again."""


class PagesFailed(Exception):
    """The feature service does not give the vectors. The message is for a person."""


class Page(NamedTuple):
    vectors: Sequence[dict[str, Any]]
    next_after: int | None
    feature_set: str | None
    """The header that names the set and its digest."""


class Pages:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def definitions(self) -> FeatureDefinitions:
        return FeatureDefinitions.model_validate_json((await self._get("/feature_definitions", {})).content)

    async def after(self, client_id: int) -> AsyncIterator[Page]:
        """All pages of clients with higher ids, in their order."""
        coming = asyncio.create_task(self._page(client_id))
        try:
            while True:
                answer = await coming
                page = _read(answer)
                if page.next_after is not None:
                    coming = asyncio.create_task(self._page(page.next_after))
                    await asyncio.sleep(0)  # the request leaves before the page is worked on
                yield page
                if page.next_after is None:
                    return
        finally:
            coming.cancel()

    async def _page(self, after: int) -> httpx.Response:
        return await self._get("/online_feature_store", {"after": after})

    async def _get(self, path: str, query: dict[str, int]) -> httpx.Response:
        for wait in (*_AGAIN, None):
            try:
                answer = await self._client.get(path, params=query)
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.status_code == httpx.codes.OK:
                    return answer
                reason = f"status {answer.status_code}"
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    break
            if wait is not None:
                await asyncio.sleep(wait)
        raise PagesFailed(
            f"The feature service does not answer {path} ({reason}). Run the command again: it continues."
        )


def _read(answer: httpx.Response) -> Page:
    try:
        content = orjson.loads(answer.content)
        vectors, next_after = content["features"], content["next_after"]
        for vector in vectors:
            vector["event_timestamp"] = datetime.fromisoformat(vector["event_timestamp"])
            if times := vector.get("feature_timestamps"):
                vector["feature_timestamps"] = {name: datetime.fromisoformat(text) for name, text in times.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise PagesFailed("The feature service gave an invalid page.") from error
    return Page(vectors, next_after, answer.headers.get("feature-set"))


@asynccontextmanager
async def open_pages(settings: Settings) -> AsyncIterator[Pages]:
    key = settings.feature_service_api_key
    headers = {"X-Request-Timeout-Ms": "10000"} | ({"X-API-Key": key.get_secret_value()} if key else {})
    address = str(settings.feature_service_url)
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=11, trust_env=False) as client:
        yield Pages(client)
