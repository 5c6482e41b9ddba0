from pathlib import Path

import pytest

from workers import LONGEST, place, share

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("test", "whole"),
    [
        ("tests/unit/test_a.py::test_one[a::b]", "tests/unit/test_a.py"),
        ("tests/unit/test_a.py::TestThese::test_one", "tests/unit/test_a.py"),
        ("tests/browser/test_a.py::test_one", "tests/browser"),
        ("tests/stack/test_a.py::test_one", "tests/stack"),
    ],
)
def test_a_worker_takes_a_file_whole_or_the_folder_that_shares_a_system(test: str, whole: str) -> None:
    assert share(test) == whole


def test_the_longest_are_first_and_exist() -> None:
    some = ["tests/unit/test_a.py::test_one", *(f"{whole}::test_one" for whole in reversed(LONGEST))]
    assert [share(test) for test in sorted(some, key=place)] == [*LONGEST, "tests/unit/test_a.py"]
    assert [whole for whole in LONGEST if not (ROOT / whole).exists()] == []
