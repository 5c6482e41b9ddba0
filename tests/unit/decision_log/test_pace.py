"""How often a busy log is signed."""

import pytest

from decision_log.sequencer.process import pause
from decision_log.sequencer.tree_store import MOST_AT_ONCE


@pytest.mark.parametrize(
    ("taken", "took", "seconds"),
    [(0, 0.1, 0.9), (MOST_AT_ONCE - 1, 0.25, 0.75), (5, 1.5, 0.0), (MOST_AT_ONCE, 0.1, 0.0)],
)
def test_only_after_a_full_step_the_next_follows_at_once(taken: int, took: float, seconds: float) -> None:
    assert pause(taken, took, 1.0) == pytest.approx(seconds)
