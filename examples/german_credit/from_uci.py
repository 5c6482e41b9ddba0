"""Writes german_credit.csv from the public file german.data, or from the archive in which the UCI repository has it.

Statlog (German Credit Data), Hans Hofmann, UCI Machine Learning Repository, https://doi.org/10.24432/C5NC77, CC BY 4.0.
Codes become the words of the data set's own description, german.doc.
"""

import argparse
import csv
import sys
import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

ROWS = 1_000
FEATURES: dict[str, dict[str, str] | None] = {
    "status_of_existing_checking_account": {
        "A11": "... < 0 DM",
        "A12": "0 <= ... < 200 DM",
        "A13": "... >= 200 DM / salary assignments for at least 1 year",
        "A14": "no checking account",
    },
    "duration_in_month": None,
    "credit_history": {
        "A30": "no credits taken/ all credits paid back duly",
        "A31": "all credits at this bank paid back duly",
        "A32": "existing credits paid back duly till now",
        "A33": "delay in paying off in the past",
        "A34": "critical account/ other credits existing (not at this bank)",
    },
    "purpose": {
        "A40": "car (new)",
        "A41": "car (used)",
        "A42": "furniture/equipment",
        "A43": "radio/television",
        "A44": "domestic appliances",
        "A45": "repairs",
        "A46": "education",
        "A48": "retraining",
        "A49": "business",
        "A410": "others",
    },
    "credit_amount": None,
    "savings_account_and_bonds": {
        "A61": "... < 100 DM",
        "A62": "100 <= ... < 500 DM",
        "A63": "500 <= ... < 1000 DM",
        "A64": "... >= 1000 DM",
        "A65": "unknown/ no savings account",
    },
    "present_employment_since": {
        "A71": "unemployed",
        "A72": "... < 1 year",
        "A73": "1 <= ... < 4 years",
        "A74": "4 <= ... < 7 years",
        "A75": "... >= 7 years",
    },
    "installment_rate_in_percentage_of_disposable_income": None,
    "personal_status_and_sex": {
        "A91": "male : divorced/separated",
        "A92": "female : divorced/separated/married",
        "A93": "male : single",
        "A94": "male : married/widowed",
    },
    "other_debtors_or_guarantors": {"A101": "none", "A102": "co-applicant", "A103": "guarantor"},
    "present_residence_since": None,
    "property": {
        "A121": "real estate",
        "A122": "building society savings agreement/ life insurance",
        "A123": "car or other, not in attribute Savings account/bonds",
        "A124": "unknown / no property",
    },
    "age_in_years": None,
    "other_installment_plans": {"A141": "bank", "A142": "stores", "A143": "none"},
    "housing": {"A151": "rent", "A152": "own", "A153": "for free"},
    "number_of_existing_credits_at_this_bank": None,
    "job": {
        "A171": "unemployed/ unskilled - non-resident",
        "A172": "unskilled - resident",
        "A173": "skilled employee / official",
        "A174": "management/ self-employed/ highly qualified employee/ officer",
    },
    "number_of_people_being_liable_to_provide_maintenance_for": None,
    "telephone": {"A191": "none", "A192": "yes, registered under the customers name"},
    "foreign_worker": {"A201": "yes", "A202": "no"},
}
"""The columns in the order of the file: the words of each code, or None where it has whole numbers. german.doc also names
A47 and A95, which no line of the data set has."""
COLUMNS = FEATURES | {"status": {"1": "0", "2": "1"}}
"""The last one says how the credit went: 1 (good) becomes 0, and 2 (bad) becomes 1."""


class WrongFileError(Exception):
    """The file is not what the repository offers as german.data. The message says where."""


def lines_of(file: Path) -> list[str]:
    """The lines of german.data, which may be in an archive."""
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                content = archive.read("german.data")
        else:
            content = file.read_bytes()
        return content.decode("ascii").splitlines()
    except KeyError:
        raise WrongFileError("the archive has no german.data") from None
    except (zipfile.BadZipFile, UnicodeDecodeError):
        raise WrongFileError("this is neither german.data nor an archive with it") from None


def table(lines: Sequence[str]) -> list[list[str]]:
    """The rows of the CSV file without its header; the first applicant has the id 1."""
    made = [[str(number), *_row(number, line.split())] for number, line in enumerate(lines, 1)]
    if len(made) != ROWS:
        raise WrongFileError(f"it has {len(made)} lines, and german.data has {ROWS}")
    return made


def _row(line: int, cells: Sequence[str]) -> list[str]:
    if len(cells) != len(COLUMNS):
        raise WrongFileError(f"line {line} has {len(cells)} columns, and german.data has {len(COLUMNS)}")
    return [_cell(line, position, cell) for position, cell in enumerate(cells, 1)]


def _cell(line: int, position: int, cell: str) -> str:
    name, words = list(COLUMNS.items())[position - 1]
    where = f"line {line}, column {position} ({name})"
    if words is None:
        if not cell.isdecimal():
            raise WrongFileError(f"{where} is not a whole number")
        return cell
    if cell not in words:
        raise WrongFileError(f"{where} is none of the codes {', '.join(words)}")
    return words[cell]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="german.data, or statlog+german+credit+data.zip")
    parser.add_argument(
        "output", type=Path, nargs="?", help="where to write the CSV file; standard output, if not given"
    )
    asked = parser.parse_args(arguments)
    try:
        made = table(lines_of(asked.file))
        # The line ends of CSV (RFC 4180) on every system.
        with asked.output.open("w", newline="") if asked.output else nullcontext(sys.stdout) as out:
            csv.writer(out).writerows([["id", *COLUMNS], *made])
    except WrongFileError as wrong:
        parser.exit(1, f"{asked.file}: {wrong}\n")
    except OSError as failed:
        parser.exit(1, f"{failed.filename}: {failed.strerror}\n")


if __name__ == "__main__":
    main()
