"""Writes the model card, which describes a version and its limits for people."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from prediction_service.scoring.scorecard import FeatureTable, Scorecard
from prediction_service.training.plots import draw_calibration, draw_deciles
from prediction_service.versions.artefact import Manifest


def _measures(metrics: dict[str, Any]) -> list[str]:
    names = {"auc": "AUC", "ks": "KS", "pr_auc": "PR AUC", "brier": "Brier", "log_loss": "log loss"}
    lines = [
        "| measure | no person on both sides | all folds together | rows split at random | all folds together | base rate alone |",
        "|---|---|---|---|---|---|",
    ]
    splits = (metrics["grouped"], metrics["plain"])
    for name, title in names.items():
        cells = [
            text
            for split in splits
            for text in (
                f"{split['folds'][name]['mean']:.5f} ± {split['folds'][name]['sd']:.5f}",
                f"{split['pooled'][name]:.5f}",
            )
        ]
        lines.append(f"| {title} | {' | '.join(cells)} | {metrics['base_rate'][name]:.5f} |")
    slopes = [_slope(split["calibration_slope"]) for split in splits]
    lines.append(f"| calibration slope (se) | | {slopes[0]} | | {slopes[1]} | |")
    means = [f"{split['pooled']['mean_probability']:.5f}" for split in splits]
    return [*lines, f"| mean probability | | {means[0]} | | {means[1]} | {metrics['base_rate']['pr_auc']:.5f} |"]


def _slope(slope: dict[str, float] | None) -> str:
    return f"{slope['mean']:.2f} ({slope['se']:.2f})" if slope else "none"


def _deciles(deciles: list[dict[str, float]]) -> list[str]:
    rows = [
        f"| {position} | {group['rows']:,} | {group['defaults']:,} | {100 * group['predicted']:.2f} | "
        f"{100 * group['observed']:.2f} | {100 * group['observed_low']:.2f} to {100 * group['observed_high']:.2f} |"
        for position, group in enumerate(deciles, 1)
    ]
    head = "| tenth | rows | defaults | predicted, % | observed, % | 95 % interval of it, % |"
    return [head, "|---|---|---|---|---|---|", *rows]


def _cells(table: FeatureTable) -> list[str]:
    edges = table.edges
    texts = list(table.categories) if table.categories is not None else _intervals(edges)
    rows = [f"| {table.name} | {_cell(text)} | {value:+.4f} |" for text, value in zip(texts, table.values, strict=True)]
    return [*rows, f"| {table.name} | missing (`{table.missing_rule}`) | {table.missing:+.4f} |"]


def _cell(text: str) -> str:
    """A text of the data, escaped for a cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").replace("`", "'").split())


def _intervals(edges: Sequence[float]) -> list[str]:
    texts = [f"<= {edges[0]:.6g}" if edges else "any"]
    texts += [f"> {low:.6g}, <= {high:.6g}" for low, high in pairwise(edges)]
    return [*texts, *([f"> {edges[-1]:.6g}"] if edges else [])]


def _scorecard(scorecard: Scorecard | None) -> list[str]:
    if scorecard is None:
        return ["This model is served from its estimator; it has no tables."]
    cells = [row for table in scorecard.tables for row in _cells(table)]
    means = ", ".join(f"{table.name} {table.population_mean:+.4f}" for table in scorecard.tables)
    return [
        f"Log-odds of default = {scorecard.base:.4f} + the sum of one cell per feature. {len(cells)} cells.",
        f"Means over the training rows: {means}.",
        "",
        "| feature | value | log-odds |",
        "|---|---|---|",
        *cells,
        "",
        "`missing_cell`: learnt from rows in which the value was missing. `default_cell`: the value was never missing in "
        "training; the trees send it where most rows went. `best_cell`: a missing value counts like the known one that is "
        "treated best. A value that fails its check counts as missing.",
    ]


def _training(training: dict[str, Any]) -> list[str]:
    period = training["period"]
    failed = training["failed_values"]
    return [
        f"{training['rows']:,} rows of {training['clients']:,} clients ({training['persons']:,} persons as described below), "
        f"{training['defaults']:,} defaults ({100 * training['default_rate']:.2f} %), "
        + (f"events from {period[0]} to {period[1]}." if period else "period not recorded in the file."),
        f"SHA-256 of the file: `{training['sha256']}`.",
        "Values out of their range, taken as missing: " + ", ".join(f"{n} {c:,}" for n, c in failed.items()) + "."
        if failed
        else "Every value was in its range or missing.",
    ]


def _inputs(manifest: Manifest) -> list[str]:
    rows = [
        f"| {feature.name} | {feature.type} | {_cell(feature.unit)} | {feature.risk} | {_cell(feature.description)} |"
        for feature in manifest.inputs
    ]
    left_out = [f"- {reason}" for reason in manifest.left_out.values()] or ["No feature of the set was left out."]
    head = ["| feature | type | unit | as its value rises, risk | meaning |", "|---|---|---|---|---|"]
    return [*head, *rows, "", "Left out:" if manifest.left_out else "", "", *left_out]


def _grid(grid: Sequence[dict[str, Any]]) -> list[str]:
    """The section about the tried parameters. `grid` is empty if none were tried."""
    if not grid:
        return ["No others were tried."]
    rows = [
        f"| {json.dumps(tried['parameters']) if tried['parameters'] else 'default'} | {tried['log_loss']:.5f} | "
        f"{tried['se']:.5f} | {'yes' if tried['chosen'] else ''} |"
        for tried in grid
    ]
    return [
        "Log loss on folds of other persons, of other splits than those above. An earlier entry stays unless a later one is "
        "better by more than the standard error of their difference.",
        "",
        "| parameters | log loss | se | chosen |",
        "|---|---|---|---|",
        *rows,
    ]


def _baselines(metrics: dict[str, Any]) -> list[str]:
    """The section that compares this model with other models."""
    baselines = metrics.get("baselines")
    if not baselines:
        return ["No other models were compared."]
    rows = [{"name": "this model"} | metrics["grouped"]["folds"], *baselines]
    return [
        "scikit-learn's logistic regression (medians for missing numbers with a flag, one column per category) and its "
        "gradient boosting without directions, with defaults, on the same inputs and folds.",
        "",
        "| model | AUC | KS |",
        "|---|---|---|",
        *(
            f"| {row['name']} | {row['auc']['mean']:.4f} ± {row['auc']['sd']:.4f} | {row['ks']['mean']:.4f} ± {row['ks']['sd']:.4f} |"
            for row in rows
        ),
    ]


def _threshold(manifest: Manifest) -> str:
    flagged, trained = manifest.metrics["flagged"], manifest.metrics["flagged_in_training"]
    return (
        f"{manifest.threshold:.6f}: {manifest.threshold_policy}. Out of fold it flags {100 * flagged['share']:.1f} % of the "
        f"rows and {100 * flagged['defaults']:.1f} % of the defaults; the final model flags {100 * trained['share']:.1f} % "
        "of the rows that it was trained on."
    )


def _limits(manifest: Manifest) -> list[str]:
    auc = manifest.metrics["grouped"]["folds"]["auc"]
    weak = " That is weak: it is a tie-breaker, not a decision engine." if auc["mean"] < 0.65 else ""
    return [
        "Meant to rank clients by risk of default, beside other evidence and a person's judgement. "
        "Not meant to grant or refuse a loan alone, nor for people unlike the clients it was trained on.",
        "",
        f"On people that it has not seen its AUC is {auc['mean']:.3f} ± {auc['sd']:.3f} (0.5 is a coin, 1 is certainty).{weak} "
        "Its contributions describe the model; they are not causes. It does not know what happened after its training data.",
    ]


def _fairness(groups: Sequence[dict[str, Any]]) -> list[str]:
    """The section about groups by each basis that the law names: out of fold, no person on both sides."""
    if not groups:
        return ["The feature set holds no feature of a basis that the law names, or only groups that are too small."]
    rows = [
        f"| {_cell(group['group'])} | {group['rows']:,} | {_number(group['favourable'])} | {_number(group['air'])} | "
        f"{_number(group['smd'])} | {_number(group['auc'])} |"
        for group in groups
    ]
    return [
        "Out of fold. Favourable: share below the threshold. AIR: that share over that of all others whose value is known "
        "(29 CFR 1607.4(D) takes 0.8 as a screen; it is no verdict). SMD: standardized mean difference of the log-odds, above "
        "0 is riskier. Under 30 rows on either side nothing is said.",
        "",
        "| group | rows | favourable | AIR | SMD | AUC |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _number(value: float | None) -> str:
    return "too few" if value is None else f"{value:.3f}"


def write_card(folder: Path, manifest: Manifest, scorecard: Scorecard | None) -> None:
    metrics, deciles = manifest.metrics, manifest.metrics["grouped"]["deciles"]
    draw_calibration(deciles, folder / "calibration.png")
    draw_deciles(deciles, manifest.training["default_rate"], folder / "deciles.png")
    card = _CARD.format(
        manifest=manifest,
        limits="\n".join(_limits(manifest)),
        training="\n".join(_training(manifest.training)),
        measures="\n".join(_measures(metrics)),
        rounds=metrics["rounds"],
        deciles="\n".join(_deciles(deciles)),
        threshold=_threshold(manifest),
        inputs_count=len(manifest.inputs),
        inputs="\n".join(_inputs(manifest)),
        grid="\n".join(_grid(metrics.get("grid", ()))),
        baselines="\n".join(_baselines(metrics)),
        fairness="\n".join(_fairness(metrics.get("fairness", ()))),
        rules=_RULES[manifest.kind],
        scorecard="\n".join(_scorecard(scorecard)),
        libraries=", ".join(f"{name} {version}" for name, version in manifest.libraries.items()),
    )
    (folder / "card.md").write_text(card, encoding="utf-8")


_RULES = {
    "tables": "Risk moves with each feature only as its definition says; where age is an input, nobody of 62 or older is "
    "scored worse for age than the best-treated younger adult (12 CFR 1002.6(b)(2)), nor a missing age worse than any known "
    "one; no other prohibited basis is an input; each probe gives the estimator's probability to 1e-12.",
    "joblib": "Each probe gives the trained estimator's probability to 1e-9; on a grid of clients and ages nobody of 62 or older "
    "is scored worse than the same client at the younger adult age that is treated best (12 CFR 1002.6(b)(2)).",
}
_CARD = """\
# Model card: {manifest.version}

`{manifest.estimator}`, trained {manifest.created_at:%Y-%m-%d %H:%M} UTC, served from {manifest.kind}. It estimates the probability
that a client defaults from {inputs_count} features of the set `{manifest.feature_set}`.

## Use and limits

{limits}

## Training data

{training}

## Features

{inputs}

## Measures

{measures}

{rounds}. Mean ± standard deviation over the folds of all rounds. A person is what the group column of the
set says; without one, a client, or a run of neighbouring ids with equal dates and flags: a proxy. Quote the columns with no
person on both sides.

![Calibration](calibration.png)

![Default by tenth of predicted risk](deciles.png)

{deciles}

Out of fold, no person on both sides.

## Beside other models

{baselines}

## Threshold

{threshold}

## Parameters

{grid}

## Fairness

{fairness}

## Rules that are checked whenever it is loaded

{rules}

## Scorecard

{scorecard}

## Made with

{libraries}
"""
