"""Fetches the vectors of all clients in pages. The next page is fetched while the present one is processed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import orjson

from prediction_service.features.answers import digest_in
from prediction_service.settings import Settings
from shared_schemas import FeatureDefinitions

_AGAIN = (0.2, 1.0, 5.0)
"""Seconds to wait before each retry of a request."""


class PagesFailed(Exception):
    """The vectors cannot be fetched. The message is for the person who runs the command."""


class SetChanged(PagesFailed):
    """The served feature set has changed during the run."""

    def __init__(self) -> None:
        super().__init__("The feature set has changed meanwhile. Run the command again: it continues.")


class Page(NamedTuple):
    vectors: Sequence[dict[str, Any]]
    next_after: int | None
    digest: str | None
    """The digest of the feature set of the vectors, or None."""


class Pages:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def definitions(self) -> FeatureDefinitions:
        return FeatureDefinitions.model_validate_json((await self._get("/feature_definitions", {})).content)

    async def after(self, client_id: int, selection: Sequence[str] | None) -> AsyncIterator[Page]:
        """Yield all pages of clients with higher ids, in order. `selection`: the features to request; None: all."""
        coming = asyncio.create_task(self._page(client_id, selection))
        try:
            while True:
                answer = await coming
                page = _read(answer, selection)
                if page.next_after is not None:
                    coming = asyncio.create_task(self._page(page.next_after, selection))
                    await asyncio.sleep(0)  # let the request be sent before the page is processed
                yield page
                if page.next_after is None:
                    return
        finally:
            coming.cancel()

    async def _page(self, after: int, selection: Sequence[str] | None) -> httpx.Response:
        named = {} if selection is None else {"features": ",".join(selection)}
        return await self._get("/online_feature_store", {"after": str(after)} | named)

    async def _get(self, path: str, query: dict[str, str]) -> httpx.Response:
        for wait in (*_AGAIN, None):
            try:
                answer = await self._client.get(path, params=query)
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.status_code == httpx.codes.OK:
                    return answer
                reason = f"status {answer.status_code}"
                if refusal := _refusal_of_features(answer):
                    raise refusal
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    break
            if wait is not None:
                await asyncio.sleep(wait)
        raise PagesFailed(
            f"The feature service does not answer {path} ({reason}). Run the command again: it continues."
        )


_TOO_LONG = (
    "The names of the features make the URL longer than the feature service accepts: raise "
    "FEATURE_SERVICE_MAX_ADDRESS_BYTES."
)
_NO_SELECTION = (
    "The model reads older versions of features, but this release of the feature service serves only the present "
    "versions in pages: upgrade it."
)


def _refusal_of_features(answer: httpx.Response) -> PagesFailed | None:
    """The failure if the requested features are refused: they are too many, or not served any more. Else None."""
    if answer.status_code == httpx.codes.REQUEST_URI_TOO_LONG:
        return PagesFailed(_TOO_LONG)
    if answer.status_code != httpx.codes.UNPROCESSABLE_ENTITY:
        return None
    try:
        refused = any(part["pointer"] == "query/features" for part in orjson.loads(answer.content)["errors"])
    except (ValueError, KeyError, TypeError):
        return None
    return SetChanged() if refused else None


def _read(answer: httpx.Response, selection: Sequence[str] | None) -> Page:
    try:
        content = orjson.loads(answer.content)
        vectors, next_after, selected = content["features"], content["next_after"], content.get("selection")
        for vector in vectors:
            vector["event_timestamp"] = datetime.fromisoformat(vector["event_timestamp"])
            if times := vector.get("feature_timestamps"):
                vector["feature_timestamps"] = {name: datetime.fromisoformat(text) for name, text in times.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise PagesFailed("The feature service gave an invalid page.") from error
    if selection is not None and selected != list(selection):
        raise PagesFailed(_NO_SELECTION)
    return Page(vectors, next_after, digest_in(answer.headers.get("feature-set")))


@asynccontextmanager
async def open_pages(settings: Settings) -> AsyncIterator[Pages]:
    key = settings.feature_service_api_key
    headers = {"X-Request-Timeout-Ms": "10000"} | ({"X-API-Key": key.get_secret_value()} if key else {})
    address = str(settings.feature_service_url)
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=11, trust_env=False) as client:
        yield Pages(client)
