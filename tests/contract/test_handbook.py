"""The handbook over HTTP: every page of the documentation, with links that lead somewhere, from a checkout and from a wheel."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit
from zipfile import ZipFile

import pytest
from fastapi import FastAPI

import console
from asgi import asked
from console.handbook import PARTS, Handbook
from console.markdown import article
from prediction_service.app import create_app
from prediction_service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMES = sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))


class _Page(HTMLParser):
    """What a browser would follow, jump to and refuse."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.refused: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.links += [target for name in ("href", "src") if (target := of.get(name)) is not None]
        self.anchors |= {str(of["id"])} if "id" in of else set()
        if tag in {"script", "style"} or any(name == "style" or name.startswith("on") for name in of):
            self.refused.append(f"{tag} {attrs}")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(decision_log=False, model_dir=tmp_path_factory.mktemp("models")))


def shown(html: str) -> str:
    return html[html.index("<main") : html.index("</main>")]


def test_the_documentation_has_four_parts_and_every_page_of_it_is_in_the_handbook() -> None:
    assert {path.parent.name for path in DOCS.rglob("*.md")} == set(PARTS)
    assert sorted(Handbook().names) == NAMES


@pytest.mark.parametrize("name", ["", *NAMES])
def test_a_page_is_whole_and_holds_nothing_that_the_policy_refuses(app: FastAPI, name: str) -> None:
    answer = asked(app, f"/console/docs/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("content-security-policy") == [console.CONTENT_SECURITY_POLICY]
    page = _Page(answer.text)
    assert page.refused == []
    assert "<!--" not in answer.text
    assert "not run:" not in answer.text
    assert answer.text.count("<h1") == 1


def test_every_link_of_every_page_leads_to_what_is_served(app: FastAPI) -> None:
    pages: dict[str, _Page | None] = {}

    def at(address: str) -> _Page | None:
        if address not in pages:
            answer = asked(app, address)
            html = answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
            pages[address] = _Page(answer.text if html else "") if answer.status_code == 200 else None
        return pages[address]

    broken = []
    for name in ["", *NAMES]:
        address = f"http://localhost/console/docs/{name}"
        page = at(address)
        assert page is not None
        for link in page.links:
            target, fragment = urldefrag(urljoin(address, link))
            if urlsplit(target).netloc != "localhost":
                continue
            found = at(target)
            if found is None or (fragment and not fragment.startswith("/") and fragment not in found.anchors):
                broken.append((name, link))
    assert broken == []
    assert len(pages) > len(NAMES)


def test_links_between_pages_stay_links(app: FastAPI) -> None:
    """As many as the Markdown has to other pages, so that none is lost on the way."""
    lost = []
    for name in NAMES:
        in_text = re.findall(r"\]\((?!https?:)[^)]*\.md(?:#[^)]*)?\)", (DOCS / f"{name}.md").read_text())
        within = [link for link in in_text if "../../" not in link]
        links = _Page(shown(asked(app, f"/console/docs/{name}").text)).links
        if len([link for link in links if not link.startswith("http") and link != "../"]) != len(within):
            lost.append((name, within, links))
    assert lost == []


def test_the_handbook_is_entered_without_a_slash_and_kept_by_the_browser(app: FastAPI) -> None:
    entered = asked(app, "/console/docs")
    assert (entered.status_code, entered.headers["location"]) == (307, "docs/")
    first = asked(app, "/console/docs/how-to/keys", accept_encoding="gzip")
    again = asked(app, "/console/docs/how-to/keys", accept_encoding="gzip", if_none_match=first.headers["etag"])
    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing", "how-to", "how-to/", "how-to/keys.md", "../handbook.py", "%2e%2e/%2e%2e/README", "how-to/../how-to/keys"]
)  # fmt: skip
def test_nothing_but_its_pages_is_served(app: FastAPI, name: str) -> None:
    path = f"/console/docs/{name}"
    if ".." in name:
        path = path.replace("..", "%2e%2e")  # a client would take it away
    answer = asked(app, path)
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


def test_what_looks_like_html_is_text_and_a_link_out_of_the_handbook_is_none() -> None:
    text = (
        "# T\n\n<script>alert(1)</script>\n\na <b>c</b> [file](../../README.md) [page](keys.md)\n\n<!-- left out -->\n"
    )
    made = article(text, lambda target: "keys" if target == "keys.md" else None)
    assert made.html == (
        '<h1 id="t">T</h1>\n&lt;script&gt;alert(1)&lt;/script&gt;\n'
        '<p>a &lt;b&gt;c&lt;/b&gt; file <a href="keys">page</a></p>\n'
    )


def test_headings_have_the_anchors_of_the_code_host() -> None:
    made = article("# `GET /x`, twice\n\n## Is it so?\n\n## Is it so?\n", lambda _: None)
    assert [heading.anchor for heading in made.headings] == ["get-x-twice", "is-it-so", "is-it-so-1"]


def test_numbers_stay_on_the_right_without_a_style() -> None:
    made = article("# T\n\n| a | b |\n|---|---:|\n| x | 1 |\n", lambda _: None)
    assert '<td class="number">1</td>' in made.html
    assert "style" not in made.html


def test_a_wheel_brings_the_documentation_with_it(tmp_path: Path) -> None:
    # A copy: the build puts the documentation into the package for as long as it lasts.
    for folder in ("console", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    subprocess.run(
        [sys.executable, "-c", "import sys, with_docs; with_docs.build_wheel(sys.argv[1])", str(tmp_path)],
        cwd=tmp_path / "console", check=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    ZipFile(wheel).extractall(tmp_path / "installed")
    shown = subprocess.run(
        [sys.executable, "-c", "from console.handbook import Handbook; print(*sorted(Handbook().names), sep='\\n')"],
        cwd=tmp_path / "installed", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split() == NAMES
    assert not (tmp_path / "console/src/console/docs").exists()
