"""The console in a browser, as a person has it: a page that notes what the browser refused and whom it asked."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, Request, expect

SCREENSHOTS = Path(__file__).parents[1] / "build" / "screenshots"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
"""The first has the engine of the others without a desktop, and takes a fifth less of the processor."""
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
_NOTE_REFUSALS = """
    window.refusals = [];
    document.addEventListener("securitypolicyviolation", (event) => window.refusals.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


class Console:
    """One open console. `base` is where the front door is."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", self._note_error)
        page.on("request", self._note_request)

    def _note_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def _note_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def leave(self) -> None:
        """Nothing of what was shown is there for the next one on this page."""
        self.page.remove_listener("pageerror", self._note_error)
        self.page.remove_listener("request", self._note_request)
        self.page.goto("about:blank")

    def open(self, address: str) -> None:
        """Open an address and wait until everything on it has been answered."""
        self.page.goto(f"{self.base}/console/{address}")
        self.settle()

    def read(self, name: str) -> None:
        """Open a page of the handbook. It is whole when it is loaded."""
        self.page.goto(f"{self.base}/console/docs/{name}")

    def settle(self) -> None:
        address: str = self.page.evaluate("location.hash")
        expect(self.page.locator("main")).to_have_attribute("data-shown", address)
        expect(self.page.locator("h1")).to_have_count(1, timeout=PATIENCE_MS)
        expect(self.page.locator("[aria-busy]")).to_have_count(0, timeout=PATIENCE_MS)

    def refusals(self) -> list[str]:
        """What the policy forbade."""
        found: list[str] = self.page.evaluate("window.refusals")
        return found

    def strangers(self) -> list[str]:
        """Whom else the page asked."""
        return [url for url in self.asked if not url.startswith((self.base, "blob:", "data:"))]

    def keep(self, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=file, full_page=True)
        return file


_CONTEXT: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 900},
    "reduced_motion": "reduce",  # a colour half way through a transition has another contrast
}


def _page(chromium: Browser, options: dict[str, Any]) -> Page:
    page = chromium.new_context(**(_CONTEXT | options)).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(_NOTE_REFUSALS)
    return page


@contextmanager
def console(chromium: Browser, base: str, **options: Any) -> Iterator[Console]:
    """In a window of its own. `options` of the browser's context: viewport, color_scheme, bypass_csp."""
    page = _page(chromium, options)
    try:
        yield Console(page, base)
    finally:
        page.context.close()


class Windows:
    """One for each kind of context. To open one takes the browser four times what a page takes that is shown in it."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._pages: dict[str, Page] = {}

    @contextmanager
    def console(self, base: str, **options: Any) -> Iterator[Console]:
        """A console that is loaded afresh; the browser's cache may hold its files. Options as above."""
        kind = repr(sorted(options.items()))
        if kind not in self._pages:
            self._pages[kind] = _page(self._chromium, options)
        shown = Console(self._pages[kind], base)
        try:
            yield shown
        finally:
            shown.leave()


def violations(page: Page) -> list[str]:
    """What axe finds against the page, one line a rule."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


def decision_id_of(page: Page) -> str:
    found = re.search(r"#/decisions/([0-9a-f-]{36})", page.url)
    assert found is not None, page.url
    return found[1]
