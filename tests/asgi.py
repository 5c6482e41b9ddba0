"""Asks an application without a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


@asynccontextmanager
async def transport_to(app: FastAPI) -> AsyncIterator[httpx.ASGITransport]:
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        yield httpx.ASGITransport(with_state)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        transport_to(app) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


def asked(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    """The answer to a GET, without the lifespan of the application."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())
