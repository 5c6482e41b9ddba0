"""The documentation page: Swagger UI, whose assets are served by the service, so that it works without the internet."""

import json
from collections.abc import Sequence
from pathlib import Path

import fastapi_offline
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from service_kit.request.headers import CONTENT_SECURITY_POLICY

_HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
_ASSETS = Path(fastapi_offline.__file__).parent / "static"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<link rel="icon" href="docs/assets/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """window.addEventListener("load", () => {
  for (const url of %s) {
    const domNode = document.getElementById("swagger-ui").appendChild(document.createElement("div"));
    SwaggerUIBundle({url, domNode, deepLinking: true, layout: "BaseLayout", validatorUrl: null});
  }
});
"""


def docs_routes(title: str, openapi_urls: Sequence[str] = ("openapi.json",)) -> list[BaseRoute]:
    """The routes of the page at `/docs`. All addresses on the page are relative, so that it works below any prefix."""
    page = HTMLResponse(_PAGE.format(title=title), headers=_HEADERS)
    start = Response(_START % json.dumps(openapi_urls), media_type="text/javascript")

    async def docs(_: object) -> Response:
        return page

    async def start_script(_: object) -> Response:
        return start

    return [
        Route("/docs", docs),
        Route("/docs/start.js", start_script),
        Mount("/docs/assets", StaticFiles(directory=_ASSETS)),
    ]
