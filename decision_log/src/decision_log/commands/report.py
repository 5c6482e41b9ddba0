"""The findings of an audit."""

from dataclasses import dataclass, field

_MOST = 1_000


@dataclass
class Report:
    """Counts of what was checked, and findings as (place in the order of the log, sentence), not sorted.

    `wrong` holds at least the first 1,000 findings in the order of the log; `findings` counts all.
    """

    records: int = 0
    entries: int = 0
    erased: int = 0
    queued: int = 0
    covered: int = 0
    findings: int = 0
    wrong: list[tuple[float, str]] = field(default_factory=list)

    def found(self, place: float, sentence: str) -> None:
        self.findings += 1
        self.wrong.append((place, sentence))
        if len(self.wrong) > 2 * _MOST:
            self.wrong = sorted(self.wrong)[:_MOST]

    @property
    def first(self) -> str | None:
        return min(self.wrong)[1] if self.wrong else None
