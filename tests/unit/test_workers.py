import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers import LONGEST, TIMED, place, share

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("test", "whole"),
    [
        ("tests/unit/test_a.py::test_one[a::b]", "tests/unit/test_a.py"),
        ("tests/unit/test_a.py::TestThese::test_one", "tests/unit/test_a.py"),
        ("tests/browser/test_a.py::test_one", "tests/browser"),
        ("tests/stack/test_a.py::test_one", "timed"),
        ("tests/contract/test_limits.py::test_one", "timed"),
    ],
)
def test_a_worker_takes_a_file_whole_or_what_shares_a_system_or_all_that_measures_time(test: str, whole: str) -> None:
    assert share(test) == whole


def test_what_measures_time_is_first_then_what_takes_long_and_all_of_it_exists() -> None:
    shares = ["timed", *LONGEST, "tests/unit/test_a.py"]
    first = [TIMED[0], *LONGEST, "tests/unit/test_a.py"]
    assert [share(test) for test in sorted((f"{one}::test_one" for one in reversed(first)), key=place)] == shares
    assert [whole for whole in (*TIMED, *LONGEST) if not (ROOT / whole).exists()] == []


def test_a_test_that_measures_no_time_gives_way_with_all_that_it_starts() -> None:
    def nice_after(test: str) -> int:
        code = f"import os, workers; workers.give_way({test!r}); print(os.getpriority(os.PRIO_PROCESS, 0))"
        return int(
            subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, check=True).stdout
        )

    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nice_after("tests/stack/test_a.py::test_one") == own
    assert nice_after("tests/unit/test_a.py::test_one") == max(own, 10)
