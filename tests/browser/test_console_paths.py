"""What people do at the console, and what it tells them when something is lacking or away."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from console_installation import CLIENT, Installation, answering, empty_database
from console_pages import Console, console, decision_id_of, violations
from running import free_port
from service_kit.access.keys import ApiKey, digest_of, new_key


@pytest.fixture
def shown(chromium: Browser, front: str) -> Iterator[Console]:
    with console(chromium, front) as opened:
        yield opened


def tab_to(shown: Console, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(80):
        shown.page.keyboard.press("Tab")
        if shown.page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_the_keyboard_leads_from_look_up_over_what_if_and_decision_to_the_statement(shown: Console) -> None:
    shown.open("")
    keys = shown.page.keyboard
    tab_to(shown, "#client-id")
    keys.type(str(CLIENT))
    keys.press("Enter")
    expect(shown.page.locator("h1")).to_have_text(f"Client {CLIENT}")
    shown.settle()
    tab_to(shown, "#what-if-age")
    keys.press("Control+A")
    keys.type("55")
    expect(shown.page.locator(".what-if-result")).to_contain_text("becomes")
    assert httpx.get(f"{shown.base}/decisions?client_id={CLIENT}&limit=1").json()["decisions"][0]["origin"] == "batch"
    shown.page.locator("#skip").focus()
    tab_to(shown, "#decide")
    keys.press("Enter")
    expect(shown.page.locator("dialog")).to_be_visible()
    expect(shown.page.locator("dialog").get_by_role("button", name="Decide")).to_be_focused()
    keys.press("Enter")
    expect(shown.page.locator("h1")).to_contain_text("Decision")
    shown.settle()
    recorded = httpx.get(f"{shown.base}/decisions/{decision_id_of(shown.page)}").json()
    assert (recorded["client_id"], recorded["origin"]) == (CLIENT, "request")
    tab_to(shown, "#statement")
    keys.press("Enter")
    expect(shown.page.locator(".statement")).to_contain_text("Your credit decision")
    assert (shown.errors, shown.refusals()) == ([], [])


def test_a_decision_is_proved_replayed_compared_and_reviewed(shown: Console) -> None:
    newest = httpx.get(f"{shown.base}/decisions?decision=decline&limit=1").json()["decisions"][0]["decision_id"]
    page = shown.page
    shown.open(f"#/decisions/{newest}")
    expect(page.get_by_text("verified in this browser")).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("identical to the bit")).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("group", name="Recorded and replayed")).to_be_visible()
    page.get_by_text("Record a review").click()
    page.get_by_label("Conclusion").select_option("changed")
    page.get_by_label("New decision").select_option("approve")
    page.get_by_role("button", name="Record the review").click()
    expect(page.get_by_role("group", name="Reviews")).to_contain_text("changed")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the record").click()
    assert Path(download.value.path()).read_bytes() == httpx.get(f"{shown.base}/decisions/{newest}").content
    assert (shown.errors, shown.refusals()) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.replace('"decline"', '"approve"', 1),
        lambda record: record[:-1],  # is no JSON
        lambda record: f"\ufeff{record}",
    ],
    ids=["decision", "end", "byte order mark"],
)
def test_a_record_that_was_changed_does_not_pass_as_verified(shown: Console, change: Callable[[str], str]) -> None:
    newest = httpx.get(f"{shown.base}/decisions?decision=decline&limit=1").json()["decisions"][0]["decision_id"]
    record = httpx.get(f"{shown.base}/decisions/{newest}")
    changed, place = change(record.text), f"**/decisions/{newest}"
    shown.page.route(place, lambda route: route.fulfill(body=changed, content_type="application/json"))
    shown.open(f"#/decisions/{newest}")
    expect(shown.page.get_by_text("does not fit the checkpoint")).to_be_visible()


def test_ten_thousand_decisions_are_paged_through(shown: Console) -> None:
    shown.open("#/decisions")
    counted = httpx.get(f"{shown.base}/decisions/counts").json()["days"]
    assert sum(day["approve"] + day["refer"] + day["decline"] for day in counted) > 10_000
    seen: set[str] = set()
    for _ in range(4):
        shown.settle()
        rows = shown.page.locator("tbody th a").evaluate_all("rows => rows.map((row) => row.hash)")
        records = {row for row in rows if row.startswith("#/decisions/")}
        assert len(records) == 50
        assert not records & seen
        seen |= records
        before = shown.page.url
        shown.page.get_by_role("button", name="Older").click()
        expect(shown.page).not_to_have_url(before)


def test_a_client_that_is_unknown_is_said_to_be_so_with_the_request_id(shown: Console) -> None:
    shown.open("#/clients/5")
    first = shown.page.locator(".failed").first
    expect(first).to_contain_text("Client not found")
    expect(first).to_contain_text("Request id")
    assert shown.refusals() == []


def test_an_id_that_no_number_holds_is_shown_to_the_last_digit(shown: Console) -> None:
    exact = shown.page.goto(f"{shown.base}/console/") and shown.page.evaluate(
        "import('./shared/api.js').then((api) => api.parsed('{\"client_id\":9223372036854775807}').client_id)"
    )
    assert exact == "9223372036854775807"


def test_a_text_of_the_feature_set_may_hold_what_divides_the_cells_of_a_card(shown: Console) -> None:
    shown.page.goto(f"{shown.base}/console/")
    cells = shown.page.evaluate("""async () => {
        const { markdown } = await import("./shared/markdown.js");
        const found = markdown("| name | meaning |\\n|---|---|\\n| paid | yes \\\\| no |\\n| more | than | heads |");
        return [...found[0].querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent));
    }""")
    assert cells == [["paid", "yes | no"], ["more", "than"]]


def test_of_many_features_those_that_add_most_are_drawn(shown: Console) -> None:
    shown.page.goto(f"{shown.base}/console/")
    drawn = shown.page.evaluate("""async () => {
        const { contributionBars } = await import("./charts/bars.js");
        const rows = Array.from({ length: 60 }, (_, at) => ({ label: `feature ${at} ${"m".repeat(200)}`, points: at % 31 - 15 }));
        const numbers = { columns: ["Feature"], rows: rows.map((row) => [row.label]) };
        const found = contributionBars({ title: "Points", rows, numbers });
        document.querySelector("main").replaceChildren(found);
        await new Promise((done) => setTimeout(done, 300));
        const labels = [...found.querySelectorAll("svg .label")];
        return [labels.map((each) => each.textContent.split(" ")[1]), Math.max(...labels.map((each) => each.textContent.length)),
                found.querySelectorAll("tbody tr").length, found.textContent.includes("40 others")];
    }""")
    assert len(drawn[0]) == 20
    assert {"0", "30", "31", "59"} <= set(drawn[0])
    assert drawn[0] == sorted(drawn[0], key=int)
    assert drawn[1] < 200
    assert drawn[2:] == [60, True]


def test_a_period_a_version_and_a_stream_are_picked_and_stay_picked(shown: Console) -> None:
    page = shown.page
    streams = page.get_by_role("region", name="Stability")
    shown.open("#/monitoring")
    expect(streams).to_contain_text("Version first")
    page.get_by_label("Version", exact=True).select_option("second")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"#/monitoring\?days=28&model_version=second$"))
    shown.settle()
    expect(streams).to_contain_text("Version second")
    expect(page.locator(".notice").first).to_contain_text("Of version second")
    streams.get_by_role("link", name="age").click()
    shown.settle()
    page.get_by_label("Period shown").select_option("90")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"days=90&model_version=second&quantity=age$"))
    shown.settle()
    page.get_by_label("Version", exact=True).select_option("")
    page.get_by_role("button", name="Show").click()
    expect(streams).to_contain_text("Version first")
    expect(page.get_by_role("heading", level=3, name="age")).to_be_visible()
    assert shown.errors == []


def test_a_service_that_is_away_is_named_with_what_to_do(chromium: Browser, installation: Installation) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with installation.front(PREDICTION_SERVICE_FEATURE_SERVICE_URL=away) as base, console(chromium, base) as shown:
        shown.open(f"#/clients/{CLIENT}")
        expect(shown.page.locator(".failed").first).to_contain_text("docker compose ps feature-service")
        shown.keep("service-away")
        shown.open("#/features")
        expect(shown.page.locator("main")).to_contain_text("years_on_the_job")


def test_a_key_is_asked_for_once_kept_in_memory_and_a_missing_scope_is_named(
    chromium: Browser, installation: Installation
) -> None:
    key = new_key()
    scopes = frozenset({"features:read", "predict"})
    lines = ApiKey("console", scopes, digest_of(key.encode())).line()
    service = ApiKey("service", frozenset({"features:read"}), digest_of(b"service-key")).line()
    variables = {
        "FEATURE_SERVICE_API_KEYS": f"{lines}\n{service}",
        "PREDICTION_SERVICE_API_KEYS": lines,
        "PREDICTION_SERVICE_FEATURE_SERVICE_API_KEY": "service-key",
    }
    with installation.front(**variables) as base, console(chromium, base, bypass_csp=True) as shown:
        shown.open(f"#/clients/{CLIENT}")
        expect(shown.page.locator("h1")).to_have_text("An API key is needed")
        assert violations(shown.page) == []
        shown.keep("key-needed")
        shown.page.get_by_label("API key", exact=True).fill(key)
        shown.page.get_by_role("button", name="Use this key").click()
        expect(shown.page.locator("h1")).to_have_text(f"Client {CLIENT}")
        shown.settle()
        assert shown.page.locator(".failed").count() == 0
        shown.page.get_by_role("link", name="Decisions", exact=True).click()
        expect(shown.page.locator(".failed").first).to_contain_text("lacks the scope decisions:read")
        kept = shown.page.evaluate(
            "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
        )
        assert kept == '[[],[],""]'
        assert key not in " ".join(shown.asked)


def test_an_empty_installation_says_what_to_do_next(
    chromium: Browser, installation: Installation, tmp_path: Path
) -> None:
    name = f"empty_{free_port()}"
    empty_database(installation.server, name)
    variables = {
        "FEATURE_SERVICE_DATABASE_URL": installation.server.url(name, user="feature_service"),
        "PREDICTION_SERVICE_MODEL_DIR": str(tmp_path),
        "PREDICTION_SERVICE_DECISION_LOG": "off",
    }
    with installation.front(**variables) as base, console(chromium, base, bypass_csp=True) as shown:
        for address, command in (
            ("#/clients", "make run DATA=loans.csv"),
            ("#/decisions", "PREDICTION_SERVICE_DECISION_LOG=on"),
            ("#/models", "python -m prediction_service train"),
            ("#/monitoring", "PREDICTION_SERVICE_DECISION_LOG=on"),
        ):
            shown.open(address)
            expect(shown.page.locator("main")).to_contain_text(command)
            assert shown.errors == []
            assert violations(shown.page) == []
        shown.open("#/clients")
        shown.keep("empty")


def test_the_prediction_service_alone_says_what_it_cannot_reach(
    chromium: Browser, installation: Installation, front: str
) -> None:
    port = free_port()
    variables = installation.variables(port) | {
        "PREDICTION_SERVICE_FEATURE_SERVICE_URL": front,
        "PREDICTION_SERVICE_PORT": str(port),
    }
    command = [sys.executable, "-m", "prediction_service"]
    with answering(command, port, variables) as base, console(chromium, base) as shown:
        shown.open(f"#/clients/{CLIENT}")
        expect(shown.page.locator(".notice")).to_contain_text("cannot be asked from this address")
        shown.open("#/features")
        expect(shown.page.locator(".failed")).to_contain_text("Open the console at the front door")


def test_the_first_view_on_a_cold_cache_at_ten_megabit_a_second(chromium: Browser, front: str) -> None:
    """Prints what it measures; a time is no condition of a test."""
    with console(chromium, front) as shown:
        session = shown.page.context.new_cdp_session(shown.page)
        session.send("Network.enable")
        bytes_a_second = 10_000_000 / 8
        limits = {
            "offline": False,
            "latency": 20,
            "downloadThroughput": bytes_a_second,
            "uploadThroughput": bytes_a_second,
        }
        session.send("Network.emulateNetworkConditions", limits)
        received: list[int] = []
        session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
        started = time.monotonic()
        shown.page.goto(f"{front}/console/#/clients/{CLIENT}")
        expect(shown.page.locator(".headline").first).to_be_visible()
        took = time.monotonic() - started
        print(f"\nfirst view: {took:.2f} s, {sum(received):,} bytes in {len(received)} answers")
        assert 10_000 < sum(received) < 200_000
