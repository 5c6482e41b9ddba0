"""The handbook in a browser: readable in light and dark on every width, and one finds the way from and to the console."""

from typing import Literal

import pytest
from playwright.sync_api import expect

from console_pages import Windows, violations

PAGES = {
    "handbook": "",
    "handbook-tutorial": "tutorial/first-decision",
    "handbook-how-to": "how-to/keys",
    "handbook-reference": "reference/configuration",
    "handbook-explanation": "explanation/monitoring",
}


@pytest.mark.parametrize("width", [360, 390, 1280, 2000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_the_screen_and_the_browser_refuses_nothing(
    windows: Windows, front: str, scheme: Literal["light", "dark"], width: int
) -> None:
    with windows.console(front, viewport={"width": width, "height": 900}, color_scheme=scheme) as shown:
        for name, page in PAGES.items():
            shown.read(page)
            if width in {390, 1280}:
                shown.keep(f"{name}-{scheme}-{width}")
            assert shown.errors == []
            assert shown.refusals() == []
            assert shown.strangers() == []
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, page


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_keeps_the_rules_of_accessibility(
    windows: Windows, front: str, scheme: Literal["light", "dark"], width: int
) -> None:
    # axe makes functions from text, which the policy forbids: this context is without one.
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    with windows.console(front, **options) as shown:
        for page in PAGES.values():
            shown.read(page)
            assert violations(shown.page) == [], page


def test_the_handbook_is_one_click_from_the_console_and_back(windows: Windows, front: str) -> None:
    with windows.console(front) as shown:
        shown.open("#/clients")
        shown.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Handbook").click()
        expect(shown.page.get_by_role("heading", level=1)).to_have_text("Handbook")
        shown.page.get_by_role("link", name="API keys, and how to change them").click()
        shown.page.get_by_role("link", name="All scopes").click()
        expect(shown.page).to_have_url(f"{front}/console/docs/reference/http-api#api-keys")
        expect(shown.page.locator("#api-keys")).to_be_in_viewport()
        shown.page.get_by_role("navigation", name="Handbook").get_by_role("link", name="Problems").click()
        expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Problems")
        shown.page.get_by_role("navigation", name="Pages").get_by_role("link", name="System").click()
        shown.settle()
        expect(shown.page.get_by_role("heading", level=1)).to_have_text("System")


def test_it_is_read_without_scripts_and_with_the_keyboard(windows: Windows, front: str) -> None:
    with windows.console(front, java_script_enabled=False) as shown:
        shown.read("how-to/keys")
        shown.page.keyboard.press("Tab")
        shown.page.keyboard.press("Enter")
        expect(shown.page).to_have_url(f"{front}/console/docs/how-to/keys#main")
        shown.page.get_by_role("link", name="Handbook").first.press("Enter")
        expect(shown.page.get_by_role("heading", level=1)).to_have_text("Handbook")
