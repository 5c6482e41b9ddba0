"""References to monitor against, for tests."""

from typing import Any

from prediction_service.monitoring.reference import Group, Histogram, Quantity, Reference


def quantity(**changes: Any) -> Quantity:
    """An age in three bins, with ten clients."""
    fields = {"name": "age", "edges": (30.0, 50.0), "counts": (2, 5, 2, 1), "design_effect": 1.0}
    return Quantity(**(fields | changes))


def reference(**changes: Any) -> Reference:
    """Of ten clients: score, age, calibration and the group of 62 and older."""
    fields = {
        "probabilities": "final_model",
        "score": quantity(name="score", edges=(0.01, 0.02), counts=(3, 4, 3, 0)),
        "features": (quantity(),),
        "groups": (Group(name="age_62", feature="age", at_least=62),),
        "mean_log_odds": -4.0,
        "outcome_design_effect": 1.0,
        "streams": 4,
        "histogram": Histogram(upto=(0.01, 0.02, 0.03), clients=(3, 4, 3)),
    }
    return Reference(**(fields | changes))
