"""Arithmetic of calendar months, because the law defines retention in months."""

from calendar import monthrange
from datetime import datetime


def months_after(instant: datetime, months: int) -> datetime:
    """The same day and time this many months later, or the last day of that month if it is shorter."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    return instant.replace(year=year, month=month + 1, day=min(instant.day, monthrange(year, month + 1)[1]))


def months_before(instant: datetime, months: int) -> datetime:
    return months_after(instant, -months)
