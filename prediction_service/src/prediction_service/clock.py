"""The time at which decisions are made and counted: that of the machine, or of a demonstration."""

from collections.abc import Callable
from datetime import UTC, datetime

from prediction_service.settings import Settings

Clock = Callable[[], datetime]


def machine_clock() -> datetime:
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Clock:
    """That of the machine, but for a demonstration, whose file says what time it is."""
    file = settings.demo_clock
    if file is None:
        return machine_clock
    return lambda: datetime.fromisoformat(file.read_text().strip()).astimezone(UTC)
