"""Calendar months, in which the law counts for how long records are kept."""

from calendar import monthrange
from datetime import datetime


def months_after(instant: datetime, months: int) -> datetime:
    """The same day and time so many months later; the last day of the month where it has no such day."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    return instant.replace(year=year, month=month + 1, day=min(instant.day, monthrange(year, month + 1)[1]))


def months_before(instant: datetime, months: int) -> datetime:
    return months_after(instant, -months)
