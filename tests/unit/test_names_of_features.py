"""No service, schema or test helper names a feature of the set that is shipped: it follows from the set that is applied."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import credit_default

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("*/pyproject.toml"))
OF_THE_SET = (
    "db_init/src/db_init/feature_sets/credit_default/",
    "db_init/src/db_init/migrations/",  # released ones name what they change
    "prediction_service/src/prediction_service/versions/first_release.json",
    "local_stack/src/local_stack/demo_drift.py",  # plays two years of clients of the sample
    "tests/loans.py",  # raw loans are of this set
    "tests/integration/previous_release/",  # it had them in its code
    "tests/partitioning.py",  # a history of this set, as an earlier migration left it
    "tests/watched.py",  # decisions about clients of this set
    "tests/clients/",  # what users of other clients write down about it
    "tests/simulation/",  # a population of it
    "tests/bench/peers/",  # other servers with its data
)
AGE = "age"
_OF_THE_LAW = re.compile(r"bas[ie]s|\"sex\"|\"birth\"|_age\b|age_")
"""Age is a basis that the law names, too, whatever a feature is called (12 CFR 1002.6(b))."""


def lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        if not name.startswith(OF_THE_SET):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{name}:{number}", line


def code() -> list[Path]:
    kinds = {".py", ".json", ".sql", ".toml", ".js", ".html"}
    return [file for package in PACKAGES for file in (package / "src").rglob("*") if file.suffix in kinds]


def helpers() -> list[Path]:
    own = {"credit_default.py", "conftest.py"}
    return [
        file for file in (ROOT / "tests").rglob("*.py") if not file.name.startswith("test_") and file.name not in own
    ]


@pytest.mark.parametrize("name", sorted(set(credit_default.NAMES) - {AGE}))
def test_no_code_and_no_helper_names_a_feature(name: str) -> None:
    named = re.compile(rf"\b{name}\b")
    assert [place for place, line in lines([*code(), *helpers()]) if named.search(line)] == []


def test_code_speaks_of_age_only_as_a_basis_of_the_law() -> None:
    assert AGE in credit_default.NAMES
    named = re.compile(rf"[\"']{AGE}[\"']")
    assert [place for place, line in lines(code()) if named.search(line) and not _OF_THE_LAW.search(line)] == []
