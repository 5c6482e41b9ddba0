"""The console: static pages over the public API, the handbook, and their Content-Security-Policy."""

from pathlib import Path

FILES = Path(__file__).parent / "static"
"""The folder of the static files. They are served as they are, without a build step."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Allows only scripts and styles from files of this origin, none inline, and requests to this origin only."""
