"""The console: static pages over the public API, the handbook, and the policy that a browser holds them to."""

from pathlib import Path

FILES = Path(__file__).parent / "static"
"""What is served, as it is: no file is made from another."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Scripts and styles are files of this folder, none is inline; the pages ask the address that they came from and no other."""
