"""Draws the two plots of a model card, without global state of matplotlib."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_BLUE, _GREY, _RED = "#2f6db2", "#8a8f98", "#c2452d"


def draw_calibration(deciles: list[dict[str, float]], file: Path) -> None:
    """Draw the predicted and the observed rate of default in ten groups, with 95 % intervals."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    predicted = [100 * group["predicted"] for group in deciles]
    observed = [100 * group["observed"] for group in deciles]
    # If none or all defaulted, rounding may put an end of the interval on the wrong side of the rate.
    low = [100 * max(0.0, group["observed"] - group["observed_low"]) for group in deciles]
    high = [100 * max(0.0, group["observed_high"] - group["observed"]) for group in deciles]
    top = min(100.0, 106 * max(max(group["predicted"], group["observed_high"]) for group in deciles))
    axes.plot([0, top], [0, top], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.errorbar(
        predicted, observed, [low, high], fmt="o", color=_BLUE, capsize=3, label="tenth of the clients, 95 % interval"
    )
    axes.set(xlabel="predicted rate of default, %", ylabel="observed rate of default, %", xlim=(0, top), ylim=(0, top))
    axes.set_aspect("equal")
    axes.set_title("Calibration, out of fold, no person on both sides")
    _finish(figure, axes, file)


def draw_deciles(deciles: list[dict[str, float]], base_rate: float, file: Path) -> None:
    """Draw the observed rate of default of each tenth of the clients, lowest predicted risk first."""
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    axes = figure.subplots()
    positions = list(range(1, len(deciles) + 1))
    axes.bar(positions, [100 * group["observed"] for group in deciles], color=_BLUE, label="observed")
    axes.plot(positions, [100 * g["predicted"] for g in deciles], "o-", color=_RED, markersize=4, label="predicted")
    axes.axhline(100 * base_rate, color=_GREY, linestyle="--", linewidth=1, label="all clients")
    axes.set(xlabel="tenth of the clients by predicted risk", ylabel="rate of default, %", xticks=positions)
    axes.set_title("Default by tenth of predicted risk, out of fold")
    _finish(figure, axes, file)


def _finish(figure: Figure, axes: Any, file: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
