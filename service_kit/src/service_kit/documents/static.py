"""Serves pages of a package from memory, with type, ETag and a compressed copy: files, and generated pages."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from service_kit.problems import RouteNotFound

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""The media types of files. A file with another extension is not served."""

_INDEX = "index.html"


class _Form(NamedTuple):
    """One representation of a file: plain or compressed. `etag` differs between the two."""

    body: bytes
    etag: str


class _File(NamedTuple):
    media_type: str
    plain: _Form
    compressed: _Form


class StaticPages:
    """The files of a folder below `prefix`, such as `/console`, with the folder's index at `prefix` and a slash.

    No key is needed. Browsers cache the files and revalidate them at each request, so that a new release is seen at
    once. `policy`: the Content-Security-Policy of all files.
    """

    def __init__(self, prefix: str, folder: Path, policy: str) -> None:
        self.prefix = prefix
        self._policy = policy
        self._files = {
            path.relative_to(folder).as_posix(): _file(TYPES[path.suffix], path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES and path.is_file()
        }

    def routes(self) -> list[BaseRoute]:
        return _routes(self.prefix, self._answer)

    async def _answer(self, request: Request) -> Response:
        return _response(request, self._files.get(request.path_params["name"] or _INDEX), self._policy)


class MadePages:
    """HTML pages below `prefix`, such as `/console/docs`. `make(name)` returns a page, or None if there is none.

    A page is generated when it is first requested, and kept. Otherwise the pages are served like files of `StaticPages`.
    """

    def __init__(self, prefix: str, make: Callable[[str], str | None], policy: str) -> None:
        self.prefix = prefix
        self._make = make
        self._policy = policy
        self._made: dict[str, _File] = {}

    def routes(self) -> list[BaseRoute]:
        return _routes(self.prefix, self._answer)

    async def _answer(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        file = self._made.get(name) or await asyncio.to_thread(self._new, name)
        return _response(request, file, self._policy)

    def _new(self, name: str) -> _File | None:
        text = self._make(name)
        if text is None:
            return None
        self._made[name] = _file(TYPES[".html"], text.encode())
        return self._made[name]


def _routes(prefix: str, answer: Callable[[Request], Awaitable[Response]]) -> list[BaseRoute]:
    async def enter(_: Request) -> Response:
        # Relative, so that it works below any prefix of the service.
        return RedirectResponse(f"{prefix.rpartition('/')[2]}/")

    return [Route(prefix, enter), Route(f"{prefix}/{{name:path}}", answer)]


def _response(request: Request, file: _File | None, policy: str) -> Response:
    if file is None:
        raise RouteNotFound
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    form = file.compressed if compressed else file.plain
    headers = {
        "ETag": form.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": policy,
    }
    if form.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(form.body, headers=headers, media_type=file.media_type)


def _file(media_type: str, body: bytes) -> _File:
    digest = sha256(body).hexdigest()[:32]
    compressed = gzip.compress(body, mtime=0)
    return _File(media_type, _Form(body, f'"{digest}"'), _Form(compressed, f'"{digest}-gzip"'))
