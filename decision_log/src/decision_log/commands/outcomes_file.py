"""Outcomes from a CSV file: decision_id,observed_at,defaulted."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from decision_log.errors import CommandFailed
from decision_log.store.outcomes import MOST, Outcome, Outcomes
from shared_schemas.instants import Instant

COLUMNS = ("decision_id", "observed_at", "defaulted")
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
_instant: TypeAdapter[object] = TypeAdapter(Instant)


class Imported(NamedTuple):
    lines: int
    accepted: int
    unchanged: int
    refused: Sequence[tuple[int, str]]
    """Line and reason."""


def parsed(file: Path) -> Iterator[tuple[int, Outcome | None]]:
    """Yield line number and outcome, None for a malformed line. Raises CommandFailed unless it is a CSV of COLUMNS."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as content:
            rows = csv.DictReader(content)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise CommandFailed(f"{file} lacks the column {missing[0]}: it needs {','.join(COLUMNS)}.")
            for row in rows:
                yield rows.line_num, _outcome(row)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandFailed(f"{file} is not a CSV file in UTF-8.") from error


def _outcome(row: dict[str, str]) -> Outcome | None:
    try:
        return Outcome(
            UUID(row["decision_id"]),
            _instant.validate_python(row["observed_at"]),  # type: ignore[arg-type]
            _BOOLEANS[row["defaulted"].strip().lower()],
        )
    except (KeyError, ValueError, ValidationError, AttributeError, TypeError):
        return None


async def import_outcomes(file: Path, outcomes: Outcomes, advance: Callable[[int], None]) -> Imported:
    """Import the outcomes of a file. Safe to repeat: an outcome that is stored already counts as unchanged."""
    lines = accepted = unchanged = 0
    refused: list[tuple[int, str]] = []
    batch: list[tuple[int, Outcome]] = []
    ids: set[UUID] = set()

    async def flush() -> None:
        nonlocal accepted, unchanged
        taken = await outcomes.add([outcome for _, outcome in batch])
        accepted, unchanged = accepted + taken.accepted, unchanged + taken.unchanged
        reasons = {each.decision_id: each.reason for each in taken.refused} | dict.fromkeys(taken.unknown, "unknown")
        refused.extend((line, reasons[each.decision_id]) for line, each in batch if each.decision_id in reasons)
        advance(len(batch))
        batch.clear()
        ids.clear()

    for line, outcome in parsed(file):
        lines += 1
        if outcome is None:
            refused.append((line, "malformed"))
            continue
        if len(batch) == MOST or outcome.decision_id in ids:  # refusals are by decision id: one outcome of it a batch
            await flush()
        ids.add(outcome.decision_id)
        batch.append((line, outcome))
    await flush()
    return Imported(lines, accepted, unchanged, sorted(refused))
