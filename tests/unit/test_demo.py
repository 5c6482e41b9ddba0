"""The demonstration: its clock, where that is refused, and the drift that is planted."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from local_stack.demo_drift import A_DAY, AS_OFTEN, PLANTED, WORSE, Applicants
from prediction_service.clock import clock_of
from prediction_service.settings import Settings

DEMO = "demo/drift"


def test_the_clock_of_a_demonstration_is_what_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = clock_of(Settings(demo_clock=file, decision_log_origin=DEMO))
    for text, hour in (("2024-05-01T12:00:00+00:00", 12), ("2024-05-01T12:00:00+02:00", 10)):
        file.write_text(text)
        assert clock() == datetime(2024, 5, 1, hour, tzinfo=UTC)


def test_without_a_demonstration_it_is_the_time_of_the_machine() -> None:
    before = datetime.now(UTC)
    assert before <= clock_of(Settings())() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"api_keys": SecretStr("key")}, "API keys are configured"),
        ({"api_keys_file": Path("keys")}, "API keys are configured"),
        ({"decision_log_origin": "bank.example/decisions"}, "does not begin with demo/"),
        ({"decision_log_origin": "demonstration"}, "does not begin with demo/"),
    ],
)
def test_a_demo_clock_is_refused_where_something_real_is_configured(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        Settings(**({"decision_log_origin": DEMO} | settings), demo_clock=Path("clock"))
    assert refused.value.errors()[0]["loc"] == ("demo_clock",)


def test_from_half_way_on_the_young_ask_more_often_and_more_default() -> None:
    clients = [{"client_id": number, "age": age} for number, age in enumerate([20, 50, None])]
    applicants = Applicants(clients)
    asked = {day: Counter(one for _ in range(100) for one in applicants.of(day)) for day in (PLANTED - 1, PLANTED)}
    assert {sum(each.values()) for each in asked.values()} == {100 * A_DAY}
    before, after = (each[0] / each[1] for each in asked.values())
    assert before == pytest.approx(1.0, rel=0.1)
    assert after == pytest.approx(AS_OFTEN, rel=0.1)
    rates = [sum(applicants.defaults(0.1, day) for _ in range(20_000)) / 20_000 for day in (PLANTED - 1, PLANTED)]
    assert rates[0] == pytest.approx(0.1, rel=0.1)
    assert rates[1] == pytest.approx(0.1 * WORSE, rel=0.1)
