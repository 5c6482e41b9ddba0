"""The clock for decisions and monitoring: the time of the machine, or the simulated time of a demonstration."""

from collections.abc import Callable
from datetime import UTC, datetime

from prediction_service.settings import Settings

Clock = Callable[[], datetime]


def machine_clock() -> datetime:
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Clock:
    """Return the machine's clock, or for a demonstration a clock that reads the time from the file `demo_clock`."""
    file = settings.demo_clock
    if file is None:
        return machine_clock
    return lambda: datetime.fromisoformat(file.read_text().strip()).astimezone(UTC)
