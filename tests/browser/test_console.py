"""Every page of the console: light and dark, narrow and wide, with the rules of accessibility and of the policy."""

from collections.abc import Callable
from typing import Literal

import httpx
import pytest

from console_installation import CLIENT
from console_pages import Windows, violations

Address = Callable[[str], str]


def _declined(base: str) -> str:
    """The newest decision against a client: it has reasons."""
    found = httpx.get(f"{base}/decisions", params={"decision": "decline", "limit": 1}, timeout=30).json()
    return str(found["decisions"][0]["decision_id"])


PAGES: dict[str, Address] = {
    "look-up": lambda _: "#/clients",
    "client": lambda _: f"#/clients/{CLIENT}",
    "client-then": lambda _: f"#/clients/{CLIENT}?as_of=2026-06-30T00:00:00Z",
    "decision": lambda base: f"#/decisions/{_declined(base)}",
    "statement": lambda base: f"#/decisions/{_declined(base)}/statement",
    "decisions": lambda _: "#/decisions",
    "models": lambda _: "#/models?first=first&second=second",
    "model": lambda _: "#/models/first",
    "monitoring": lambda _: "#/monitoring",
    "features": lambda _: "#/features",
    "system": lambda _: "#/system",
}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_shown_whole_and_the_browser_refuses_nothing(
    windows: Windows, front: str, name: str, scheme: Literal["light", "dark"], width: int
) -> None:
    with windows.console(front, viewport={"width": width, "height": 900}, color_scheme=scheme) as shown:
        shown.open(PAGES[name](front))
        shown.keep(f"{name}-{scheme}-{width}")
        assert shown.errors == []
        assert shown.refusals() == []
        assert shown.strangers() == []
        assert shown.page.locator(".failed").count() == 0
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_the_rules_of_accessibility(
    windows: Windows, front: str, name: str, scheme: Literal["light", "dark"]
) -> None:
    # axe makes functions from text, which the policy forbids: this context is without one.
    with windows.console(front, color_scheme=scheme, bypass_csp=True) as shown:
        shown.open(PAGES[name](front))
        for numbers in shown.page.locator("details > summary").all():
            numbers.click()
        assert violations(shown.page) == []


@pytest.mark.parametrize("width", [360, 2000])
def test_the_narrowest_and_the_widest_screen_hold_every_page(windows: Windows, front: str, width: int) -> None:
    with windows.console(front, viewport={"width": width, "height": 900}) as shown:
        for address in PAGES.values():
            shown.open(address(front))
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, shown.page.url


def test_every_chart_has_a_table_with_its_numbers(windows: Windows, front: str) -> None:
    with windows.console(front) as shown:
        for name in ("client", "models", "model", "monitoring", "features"):
            shown.open(PAGES[name](front))
            charts = shown.page.locator("figure.chart")
            assert charts.count() > 0, name
            for chart in charts.all():
                assert chart.locator("details table tbody tr").count() > 0
                assert chart.locator("[role=img][aria-label]").count() == 1
