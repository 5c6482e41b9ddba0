"""Renders a dossier as an HTML page to print. Values are escaped; the page contains no script."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any

from prediction_service.dossier.contents import Dossier

_STYLE = (
    "body{font:11pt/1.45 serif;max-width:52em;margin:2em auto;padding:0 1em;color:#000;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em}table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "pre{white-space:pre-wrap}@media print{body{margin:0}h2{break-after:avoid}}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Vary": "Accept",
}
_TITLES = {
    "intended_use": "Intended use and limits",
    "data": "Training data",
    "features": "Features",
    "left_out": "Features left out, and why",
    "validation": "Validation",
    "calibration": "Calibration",
    "fairness": "Fairness",
    "population": "Training population",
    "monitoring": "Monitoring",
    "changes": "Changes since the previous version",
    "promotions": "Promotions",
    "log_checkpoint": "Checkpoint of the decision log",
    "lacking": "What is lacking",
}


def page(dossier: Dossier) -> bytes:
    contents = dossier.model_dump(mode="json")
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        f"<head><meta charset=utf-8><title>Dossier of {_text(dossier.model_version)}</title><style>{_STYLE}</style></head>",
        f"<body><h1>Dossier of the model version {_text(dossier.model_version)}</h1>",
        f"<p>Made at {_text(contents['made_at'])}. Roles: {_text(', '.join(dossier.roles) or 'none')}.</p>",
    ]
    for name, title in _TITLES.items():
        parts += [f"<h2>{title}</h2>", *_shown(contents[name])]
    return "\n".join([*parts, "</body></html>"]).encode()


def _shown(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield f"<pre>{_text(value)}</pre>"
    elif isinstance(value, dict) and value:
        rows = "".join(
            f"<tr><th>{_text(name)}</th><td>{''.join(_shown(inner))}</td></tr>" for name, inner in value.items()
        )
        yield f"<table>{rows}</table>"
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        yield _table(value)
    elif isinstance(value, list) and value:
        yield _text(", ".join(map(_plain, value)))
    else:
        yield _text("lacking" if value in (None, {}, []) else _plain(value))


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    lines = ("<tr>" + "".join(f"<td>{_text(_plain(row.get(name)))}</td>" for name in names) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _plain(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: object) -> str:
    return escape(str(value))
