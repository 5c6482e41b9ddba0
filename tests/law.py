"""The law of time, by brute force: knows nothing of how anything is stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple


class Event(NamedTuple):
    """Something said about one client at an instant, by key; a raw event has an id."""

    instant: datetime
    said: Mapping[str, Any]
    event_id: int | None = None


class InForce(NamedTuple):
    """A vector: the instant of the latest event, the value in force of each key, and the instants of the older ones."""

    instant: datetime
    values: dict[str, Any]
    older: dict[str, datetime]


def in_force(received: Sequence[Event], until: datetime | None = None) -> InForce | None:
    """What counts as of an instant (None: now) of the events of one client, in the order in which they were received."""
    known = [(event, order) for order, event in enumerate(received) if until is None or event.instant <= until]
    if not known:
        return None
    raw = [(event.instant, event.event_id, event, order) for event, order in known if event.event_id is not None]
    speaking = [(event.instant, order, event) for event, order in known if event.event_id is None]
    speaking += [(instant, order, event) for instant, _, event, order in sorted(raw, key=lambda one: one[:2])[-1:]]
    said: dict[str, tuple[Any, datetime]] = {}
    for instant, _, event in sorted(speaking, key=lambda one: one[:2]):
        said |= {key: (value, instant) for key, value in event.said.items()}
    latest = max(event.instant for event, _ in known)
    return InForce(
        latest,
        {key: value for key, (value, _) in said.items()},
        {key: instant for key, (_, instant) in said.items() if instant < latest},
    )
