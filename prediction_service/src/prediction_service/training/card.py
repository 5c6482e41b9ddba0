"""The model card: what a version is, what it can and cannot do, for people. Markdown and two plots."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prediction_service.artefact import Manifest
from prediction_service.scorecard import FeatureTable, Scorecard

_BLUE, _GREY, _RED = "#2f6db2", "#8a8f98", "#c2452d"


def draw_calibration(deciles: list[dict[str, float]], file: Path) -> None:
    """Predicted against observed rate of default in ten groups, with 95 % intervals."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    predicted = [100 * group["predicted"] for group in deciles]
    observed = [100 * group["observed"] for group in deciles]
    errors = [196 * group["observed_se"] for group in deciles]
    top = 1.08 * max(*predicted, *(o + e for o, e in zip(observed, errors, strict=True)))
    axes.plot([0, top], [0, top], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.errorbar(
        predicted, observed, errors, fmt="o", color=_BLUE, capsize=3, label="tenth of the clients, 95 % interval"
    )
    axes.set(xlabel="predicted rate of default, %", ylabel="observed rate of default, %", xlim=(0, top), ylim=(0, top))
    axes.set_title("Calibration, out of fold, no person on both sides")
    _finish(figure, axes, file)


def draw_deciles(deciles: list[dict[str, float]], base_rate: float, file: Path) -> None:
    """Observed rate of default of each tenth of the clients, lowest predicted risk first."""
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
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]  # Matplotlib has no types here


def _measures(metrics: dict[str, Any]) -> list[str]:
    names = {"auc": "AUC", "ks": "KS", "pr_auc": "PR AUC", "brier": "Brier", "log_loss": "log loss"}
    lines = ["| measure | no person on both sides | rows split at random | base rate alone |", "|---|---|---|---|"]
    for name, title in names.items():
        grouped, plain = metrics["grouped"]["folds"][name], metrics["plain"]["folds"][name]
        base = metrics["base_rate"].get(name)
        cells = [f"{m['mean']:.5f} ± {m['sd']:.5f}" for m in (grouped, plain)]
        lines.append(f"| {title} | {cells[0]} | {cells[1]} | {'' if base is None else f'{base:.5f}'} |")
    slopes = [metrics[split]["calibration_slope"] for split in ("grouped", "plain")]
    lines.append(
        "| calibration slope (se) | " + " | ".join(f"{s['mean']:.2f} ({s['se']:.2f})" for s in slopes) + " | |"
    )
    return lines


def _cells(table: FeatureTable) -> list[str]:
    edges = [*table.edges]
    texts = [f"<= {edges[0]:.6g}" if edges else "any"]
    texts += [f"> {low:.6g}, <= {high:.6g}" for low, high in pairwise(edges)]
    texts += [f"> {edges[-1]:.6g}"] if edges else []
    rows = [f"| {table.name} | {text} | {value:+.4f} |" for text, value in zip(texts, table.values, strict=True)]
    return [*rows, f"| {table.name} | missing (`{table.missing_rule}`) | {table.missing:+.4f} |"]


def _scorecard(scorecard: Scorecard | None) -> list[str]:
    if scorecard is None:
        return ["This model is served from its estimator; it has no tables."]
    cells = [row for table in scorecard.tables for row in _cells(table)]
    intro = f"Log-odds of default = {scorecard.base:.4f} + the sum of one cell a feature. {len(cells)} cells."
    return [intro, "", "| feature | value | log-odds |", "|---|---|---|", *cells]


def write_card(folder: Path, manifest: Manifest, scorecard: Scorecard | None) -> None:
    training, metrics = manifest.training, manifest.metrics
    draw_calibration(metrics["grouped"]["deciles"], folder / "calibration.png")
    draw_deciles(metrics["grouped"]["deciles"], training["default_rate"], folder / "deciles.png")
    auc, flagged = metrics["grouped"]["folds"]["auc"], metrics["flagged"]
    decile_rows = [
        f"| {position} | {100 * group['predicted']:.2f} | {100 * group['observed']:.2f} ± {100 * group['observed_se']:.2f} |"
        for position, group in enumerate(metrics["grouped"]["deciles"], 1)
    ]
    lines = [
        f"# Model card: {manifest.version}",
        "",
        f"`{manifest.estimator}`, trained {manifest.created_at:%Y-%m-%d %H:%M} UTC, served from {manifest.kind}.",
        "",
        "## What it can and cannot do",
        "",
        f"It estimates the probability of default from five features. On people that it has not seen its AUC is "
        f"{auc['mean']:.3f} ± {auc['sd']:.3f} (0.5 is a coin, 1 is certainty)."
        + (" That is weak: it is a tie-breaker, not a decision engine." if auc["mean"] < 0.65 else ""),
        "The contributions describe the model; they are not causes.",
        "",
        "## Training data",
        "",
        f"{training['rows']:,} rows of {training['clients']:,} clients ({training['persons']:,} persons by the proxy below), "
        f"{training['defaults']:,} defaults ({100 * training['default_rate']:.2f} %). SHA-256 `{training['sha256']}`.",
        "",
        "## Measures",
        "",
        *_measures(metrics),
        "",
        f"{metrics['rounds']}. Mean ± standard deviation over the folds. A person is a run of neighbouring ids "
        "with equal age, tenure and car: a proxy, since the data has no key of the person.",
        "",
        "![Calibration](calibration.png)",
        "",
        "![Deciles](deciles.png)",
        "",
        "| tenth | predicted, % | observed, % ± se |",
        "|---|---|---|",
        *decile_rows,
        "",
        "## Threshold",
        "",
        f"{manifest.threshold:.6f}: {manifest.threshold_policy}. Out of fold it flags {100 * flagged['share']:.1f} % of the "
        f"rows and {100 * flagged['defaults']:.1f} % of the defaults.",
        "",
        "## Rules that are checked whenever it is loaded",
        "",
        "Risk never rises with age, time in the job or a car; nobody of 62 or older is scored worse for age than the "
        "best-treated younger adult (12 CFR 1002.6(b)(2)); each probe gives the estimator's probability to 1e-12."
        if manifest.kind == "tables"
        else "Each probe gives the trained estimator's probability to 1e-9. Its direction in age is not checked.",
        "",
        "## Scorecard",
        "",
        *_scorecard(scorecard),
        "",
        "## Made with",
        "",
        ", ".join(f"{name} {version}" for name, version in manifest.libraries.items()),
        "",
    ]
    (folder / "card.md").write_text("\n".join(lines), encoding="utf-8")
