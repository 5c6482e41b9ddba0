"""Shortens thresholds of trees to few decimals, so that sentences can name exactly the numbers in the tables."""

from collections.abc import Iterable, Sequence

import numpy as np

_DECIMALS = range(2, 18)
"""Numbers of decimals to try, from two as in amounts. Middles of whole numbers have fewer and do not change."""


def shorten(trees: Iterable[np.ndarray], columns: Sequence[np.ndarray]) -> None:
    """Shorten the numeric thresholds of these nodes in place. Every training value stays on its side of each threshold.

    `columns`: the training values of each input, in the order in which the nodes number the inputs.
    """
    known = [np.unique(column[~np.isnan(column)]) for column in columns]
    for nodes in trees:
        for position in np.flatnonzero((nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)):
            values, threshold = known[nodes[position]["feature_idx"]], nodes[position]["num_threshold"]
            above = int(np.searchsorted(values, threshold, side="right"))
            if 0 < above < len(values):
                between = shortest_between(float(values[above - 1]), float(values[above]))
                nodes["num_threshold"][position] = threshold if between is None else between


def shortest_between(low: float, high: float) -> float | None:
    """The number with the fewest decimals between two others, and the closest to their middle among these.

    None if no number with at most 17 decimals lies between them.
    """
    middle = low / 2 + high / 2
    rounded = (round(middle, decimals) + 0.0 for decimals in _DECIMALS)  # -0.0 + 0.0 is 0.0
    return next((number for number in rounded if low < number < high), None)
