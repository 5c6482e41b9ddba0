"""The console's files over HTTP: types, policy, compression, and what a browser may keep."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from fastapi import FastAPI

import console
from asgi import asked
from prediction_service.app import create_app
from prediction_service.settings import Settings
from service_kit.documents.static import TYPES

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


@pytest.fixture
def app(model_dir: Path) -> FastAPI:
    return create_app(Settings(decision_log=False, model_dir=model_dir))


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("", "text/html"), ("app.js", "text/javascript"), ("console.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
def test_a_file_has_its_type_and_the_policy(app: FastAPI, name: str, media_type: str) -> None:
    answer = asked(app, f"/console/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers.get_list("content-security-policy") == [POLICY]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get_list("cache-control") == ["no-cache"]


def test_what_a_browser_keeps_it_asks_about_and_gets_no_second_time(app: FastAPI) -> None:
    for encoding in ("gzip", "identity"):
        first = asked(app, "/console/app.js", accept_encoding=encoding)
        again = asked(app, "/console/app.js", accept_encoding=encoding, if_none_match=first.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert asked(app, "/console/app.js", if_none_match='"another"').status_code == 200


def test_a_file_is_compressed_for_whom_it_may_be(app: FastAPI) -> None:
    plain = asked(app, "/console/vendor/uplot.js", accept_encoding="identity")
    compressed = asked(app, "/console/vendor/uplot.js", accept_encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.content == plain.content  # the client has expanded it
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2
    assert plain.headers["etag"] != compressed.headers["etag"]
    assert plain.headers["vary"] == compressed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["nothing.js", "../__init__.py", "%2e%2e/__init__.py", "shared/", "shared"])
def test_nothing_but_the_files_is_served(app: FastAPI, name: str) -> None:
    answer = asked(app, f"/console/{name}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


def test_every_file_of_the_folder_is_served_and_small() -> None:
    files = [path for path in console.FILES.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= set(TYPES)
    compressed = sum(len(gzip.compress(path.read_bytes())) for path in files)
    assert compressed < 200_000


def test_nothing_is_inline_and_nothing_reads_text_as_code() -> None:
    page = (console.FILES / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page)
    for script in console.FILES.rglob("*.js"):
        if script.parent.name != "vendor":
            found = re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|sessionStorage|\.cookie\b",
                script.read_text(),
            )
            assert found is None, (script.name, found)


def test_vendored_files_are_those_that_the_notice_names() -> None:
    vendor = console.FILES / "vendor"
    notice = (vendor / "NOTICE.txt").read_text()
    named = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", notice, re.MULTILINE))
    found = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path.name
        for path in vendor.iterdir()
        if path.name != "NOTICE.txt"
    }
    assert named == found


def imported(script: str, found: set[str]) -> set[str]:
    """The scripts that a script imports before it runs, and those that these import."""
    folder = (console.FILES / script).parent
    for name in re.findall(r'^import [^"]*"([^"]+)"', (console.FILES / script).read_text(), re.MULTILINE):
        path = (folder / name).resolve().relative_to(console.FILES.resolve()).as_posix()
        if path not in found:
            found |= {path} | imported(path, found | {path})
    return found


def test_the_first_page_names_every_script_that_it_needs_so_that_none_waits_for_another() -> None:
    named = re.findall(r'<link rel="modulepreload" href="([^"]+)">', (console.FILES / "index.html").read_text())
    first = {"app.js", "pages/clients.js"}
    assert sorted(named) == sorted(set.union(*(imported(script, {script}) for script in first)))
