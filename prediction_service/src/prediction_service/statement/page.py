"""Renders a statement as an HTML page to print. Values are escaped; the page contains no script."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any

_STYLE = (
    "body{font:12pt/1.5 serif;max-width:40em;margin:2em auto;padding:0 1em;color:#000;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.1em}small{color:#333}@media print{body{margin:0}}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Vary": "Accept",
}


def page(statement: Mapping[str, Any]) -> bytes:
    creditor = statement["creditor"]
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        f"<head><meta charset=utf-8><title>Credit decision</title><style>{_STYLE}</style></head>",
        "<body>",
        f"<p>{_text(creditor['name'])}<br>{_text(creditor['address'])}</p>",
        "<h1>Your credit decision</h1>",
        f"<p>{_text(statement['text'])}</p>",
        f"<p>Decided at {_text(statement['decided_at'])}. Decision id {_text(statement['decision_id'])}.</p>",
        *_listed("Principal reasons", (reason["text"] for reason in statement["reasons"])),
        *_listed("What would have changed the decision", (each["text"] for each in statement["variations"])),
        *_section("How this was found", statement["explanation"]),
        *_section("Your score", _score(statement)),
        *_section("Review by a person", statement["review"]),
        *_section("Correction", statement["correction"]),
        *_section("Notice", statement["notice"]),
        f"<p><small>{_text(statement['draft'])}</small></p>",
        "</body></html>",
    ]
    return "\n".join(parts).encode()


def _score(statement: Mapping[str, Any]) -> str:
    place = statement["population"]
    return f"{statement['score']} of 1000; 0 is the lowest risk.{' ' + place['text'] if place else ''}"


def _text(value: object) -> str:
    return escape(str(value)).replace("\n", "<br>")


def _section(title: str, text: str | None) -> list[str]:
    return [f"<h2>{title}</h2>", f"<p>{_text(text)}</p>"] if text else []


def _listed(title: str, texts: Iterable[str]) -> list[str]:
    items = [f"<li>{_text(text)}</li>" for text in texts]
    return [f"<h2>{title}</h2>", "<ul>", *items, "</ul>"] if items else []
