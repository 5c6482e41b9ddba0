import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from prediction_service.scoring.quality import QualityCheck
from prediction_service.scoring.scorecard import Values
from prediction_service.versions.shadow import MOST_ROWS, Decided, Shadow, ShadowMetrics
from shared_schemas import Feature


class Challenger:
    """Answers the first value of each row; waits or fails where it is told to."""

    version = "next"
    threshold = 0.5
    explainer = None
    inputs = (Feature(name="said", type="number", description="What the challenger will say."),)
    quality = QualityCheck(inputs)

    def __init__(self, *, fails: bool = False) -> None:
        self.missing_rules: dict[str, str] = {}
        self.fails = fails
        self.go = asyncio.Event()
        self.go.set()
        self.most_at_once = 0

    async def probabilities(self, rows: Sequence[Values], until: float = 0) -> list[float]:
        self.most_at_once = max(self.most_at_once, len(rows))
        await self.go.wait()
        if self.fails:
            raise ZeroDivisionError
        return [row[0] or 0.0 for row in rows]


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"prediction_shadow_{name}", {"challenger": "next"} | labels) or 0.0


def compared(challenger: Challenger | None, *offers: Decided) -> CollectorRegistry:
    registry = CollectorRegistry()

    async def scenario() -> None:
        shadow = Shadow(ShadowMetrics(registry), lambda: challenger)
        for offer in offers:
            shadow.offer(offer)
        running = asyncio.create_task(shadow.run())
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()

    asyncio.run(scenario())
    return registry


def decided(*pairs: tuple[float, float], threshold: float = 0.4) -> Decided:
    """Each pair: what the challenger will say, what the champion said."""
    return Decided([{"said": theirs} for theirs, _ in pairs], [ours for _, ours in pairs], threshold)


def test_labels_are_compared_each_at_its_own_threshold() -> None:
    registry = compared(Challenger(), decided((0.5, 0.4), (0.49, 0.39), (0.49, 0.4), (0.5, 0.3)), decided((0.45, 0.1)))
    assert counted(registry, "rows_total", agreement="agree") == 3
    assert counted(registry, "rows_total", agreement="disagree") == 2
    assert counted(registry, "difference_count") == 5
    assert counted(registry, "difference_sum") == pytest.approx(0.1 + 0.1 + 0.09 + 0.2 + 0.35)
    assert counted(registry, "errors_total") == counted(registry, "dropped_total") == 0


def test_a_challenger_that_fails_is_counted_and_asked_again() -> None:
    registry = compared(Challenger(fails=True), decided((0.5, 0.4), (0.1, 0.1)), decided((0.1, 0.1)))
    assert counted(registry, "errors_total") == 3
    assert counted(registry, "difference_count") == 0


def test_what_does_not_fit_is_dropped_and_counted_and_then_there_is_room_again() -> None:
    registry = CollectorRegistry()

    async def scenario() -> None:
        challenger = Challenger()
        challenger.go.clear()
        shadow = Shadow(ShadowMetrics(registry), lambda: challenger)
        running = asyncio.create_task(shadow.run())
        many = decided(*[(0.1, 0.1)] * (MOST_ROWS // 2))
        for offer in (many, many, decided((0.1, 0.1)), many):
            shadow.offer(offer)
            await asyncio.sleep(0)
        assert counted(registry, "dropped_total") == MOST_ROWS // 2 + 1
        challenger.go.set()
        for _ in range(1_000):
            await asyncio.sleep(0)
        shadow.offer(decided((0.1, 0.1)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert counted(registry, "difference_count") == MOST_ROWS + 1
        assert challenger.most_at_once == 100
        running.cancel()

    asyncio.run(scenario())


def test_without_a_challenger_nothing_is_kept() -> None:
    registry = CollectorRegistry()
    shadow = Shadow(ShadowMetrics(registry), lambda: None)
    shadow.offer(decided((0.1, 0.1)))
    assert shadow._waiting.empty()
