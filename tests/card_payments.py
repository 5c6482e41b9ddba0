"""Payments by card, which another pipeline than that of the loans makes features of."""

import csv
from collections.abc import Sequence
from pathlib import Path

CARDS = Path(__file__).parent / "feature_sets" / "cards"
Payment = tuple[int, int, str, str, str, str, str]


def payments(file: Path, lines: Sequence[Payment]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["payment", "holder", "paid_at", "amount", "shop", "opened", "charged_off"])
        writer.writerows(lines)
    return file


def payment(event: int, at: str, amount: str = "10", holder: int = 7) -> Payment:
    return (event, holder, at, amount, "food", "2010-02-28", "0")
