"""Serves any other scikit-learn classifier from its joblib file. Only this module unpickles, and only verified bytes."""

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prediction_service.artefact import (
    DISFAVOURS_ELDERLY,
    TOLERANCE,
    Artefact,
    ModelRefused,
    check_probes,
    vouched_content,
)
from prediction_service.scorecard import OLDER, YOUNGER, Values
from shared_schemas import FEATURE_NAMES


def _estimator(artefact: Artefact) -> Any:
    content = vouched_content(artefact.folder, artefact.manifest, "model.joblib")
    try:
        import joblib  # noqa: PLC0415 -- serving tables must not load scikit-learn
        import sklearn  # noqa: PLC0415
    except ImportError as error:
        raise ModelRefused(
            "it needs scikit-learn, which is not installed here: serve it from the trainer's image"
        ) from error
    trained_with = artefact.manifest.libraries.get("scikit-learn")
    if trained_with != sklearn.__version__:
        raise ModelRefused(f"it was trained with scikit-learn {trained_with}; installed is {sklearn.__version__}")
    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:
        raise ModelRefused(f"its estimator {artefact.manifest.estimator} cannot be unpickled here") from error


_MOST_CLIENTS = 64
_AGE = FEATURE_NAMES.index("age")


def _check_age(artefact: Artefact, probabilities: Callable[[Sequence[Values]], Sequence[float]]) -> None:
    """Refuse an estimator that scores a client of 62 or older worse than the same client at some younger adult age.

    An estimator has no table to read, and may mix age with everything else. So up to 64 of its probes, which hold each
    feature's range and every pattern of missing values, are asked at each age from 18 to 100: 5,312 rows at most. This
    finds what is systematic and proves nothing beyond the grid; tables are compared exactly, and so are preferred.
    """
    probes = json.loads(vouched_content(artefact.folder, artefact.manifest, "probes.json"))
    clients = sorted({tuple(probe["values"][:_AGE] + probe["values"][_AGE + 1 :]) for probe in probes}, key=repr)
    ages = (*YOUNGER, *OLDER)
    asked = clients[:: -(-len(clients) // _MOST_CLIENTS)]
    found = probabilities([(*client[:_AGE], years, *client[_AGE:]) for client in asked for years in ages])
    for start in range(0, len(found), len(ages)):
        younger, older = found[start : start + len(YOUNGER)], found[start + len(YOUNGER) : start + len(ages)]
        if not max(older) <= min(younger) + TOLERANCE["joblib"]:
            raise ModelRefused(DISFAVOURS_ELDERLY)


class PickledModel:
    """Predicts in a thread of its own, so that the event loop goes on."""

    def __init__(self, artefact: Artefact) -> None:
        self._estimator = _estimator(artefact)
        try:
            check_probes(artefact.folder, artefact.manifest, self._predict)
            _check_age(artefact, self._predict)
        except ModelRefused:
            raise
        except Exception as error:
            raise ModelRefused(f"its estimator {artefact.manifest.estimator} fails on its probes") from error
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def _predict(self, rows: Sequence[Values]) -> list[float]:
        import numpy as np  # noqa: PLC0415

        inputs = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
        return [float(probability) for probability in self._estimator.predict_proba(inputs)[:, 1]]

    async def probabilities(self, rows: Sequence[Values]) -> list[float]:
        if not rows:
            return []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._predict, rows)
