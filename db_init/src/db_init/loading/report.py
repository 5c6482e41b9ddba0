"""The reports of a load, which accounts for every line of the input, and of a recomputation."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from db_init.errors import LoadError


@dataclass
class Report:
    """`read` is the sum of `loaded`, `unchanged`, `dropped` and all of `quarantined`."""

    read: int = 0
    loaded: int = 0
    unchanged: int = 0
    dropped: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    clients_changed: int = 0
    seconds: float = 0.0

    def check(self) -> None:
        if self.read != self.loaded + self.unchanged + self.dropped + sum(self.quarantined.values()):
            raise LoadError(
                f"The lines of the file do not add up ({self}). Nothing was changed. This is a defect; please report it."
            )

    def add(self, other: "Report") -> None:
        """Add the report of another database on its share of the file."""
        for reason, count in other.quarantined.items():
            self.quarantined[reason] = self.quarantined.get(reason, 0) + count
        for name in ("read", "loaded", "unchanged", "dropped", "clients_changed", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rows = [
            ("read", self.read, "lines"),
            ("loaded", self.loaded, "new"),
            ("unchanged", self.unchanged, "already there"),
            ("dropped", self.dropped, "exact duplicates"),
            ("quarantined", sum(self.quarantined.values()), ""),
            *((f"  {reason}", count, "") for reason, count in sorted(self.quarantined.items())),
            ("clients", self.clients_changed, "with a new or changed vector"),
        ]
        return _table(rows, self.seconds)


@dataclass
class Recomputed:
    """The report of a recomputation of all stored raw events."""

    events: int = 0
    events_changed: int = 0
    clients_changed: int = 0
    seconds: float = 0.0

    def add(self, other: "Recomputed") -> None:
        """Add the report of another database."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rows = [
            ("events", self.events, "stored"),
            ("changed", self.events_changed, "with other features than before"),
            ("clients", self.clients_changed, "with a changed vector"),
        ]
        return _table(rows, self.seconds)


def _table(rows: Iterable[tuple[str, int, str]], seconds: float) -> str:
    lines = [f"{name:<30}{count:>12,}  {what}".rstrip() for name, count, what in rows]
    return "\n".join([*lines, f"{'seconds':<30}{seconds:>12.1f}"])


def printed(report: Report | Recomputed, form: str) -> str:
    return report.as_json() if form == "json" else report.as_text()
