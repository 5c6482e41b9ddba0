"""Serves scikit-learn classifiers from joblib files. Only this module unpickles, and only verified bytes."""

import asyncio
import io
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prediction_service.scoring.scorecard import OLDER, YOUNGER, Values
from prediction_service.versions.artefact import (
    DISFAVOURS_ELDERLY,
    TOLERANCE,
    Artefact,
    ModelRefused,
    check_probes,
    vouched_content,
)
from service_kit.batching import Batcher
from service_kit.problems import DeadlineExceeded, Overloaded
from service_kit.request.ask import Ask


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
    except Exception as error:  # a foreign class may raise anything
        raise ModelRefused(f"its estimator {artefact.manifest.estimator} cannot be unpickled here") from error


_MOST_CLIENTS = 64
"""Maximum clients in the check of age."""


def _check_age(artefact: Artefact, probabilities: Callable[[Sequence[Values]], Sequence[float]]) -> None:
    """Raises ModelRefused if a client of 62 or older scores worse than the same client at some younger adult age.

    An estimator has no table, and age may interact with all other features. So up to 64 of its probes are scored at
    each age from 18 to 100: at most 5,312 rows. The probes cover the range of each feature and many patterns of missing
    values. This finds systematic differences, but proves nothing outside this grid. Tables are preferred, because they
    are compared exactly.
    """
    for position, feature in enumerate(artefact.manifest.inputs):
        if "age" in feature.basis:
            _check_age_at(artefact, position, probabilities)


def _check_age_at(artefact: Artefact, at: int, probabilities: Callable[[Sequence[Values]], Sequence[float]]) -> None:
    probes = json.loads(vouched_content(artefact.folder, artefact.manifest, "probes.json"))
    clients = sorted({tuple(probe["values"][:at] + probe["values"][at + 1 :]) for probe in probes}, key=repr)
    ages = (*YOUNGER, *OLDER)
    asked = clients[:: -(-len(clients) // _MOST_CLIENTS)]
    found = probabilities([(*client[:at], years, *client[at:]) for client in asked for years in ages])
    for start in range(0, len(found), len(ages)):
        younger, older = found[start : start + len(YOUNGER)], found[start + len(YOUNGER) : start + len(ages)]
        if not max(older) <= min(younger) + TOLERANCE["joblib"]:
            raise ModelRefused(DISFAVOURS_ELDERLY)


_MOST_ROWS_WAITING = 2_000
"""Maximum rows in the queue; one call of more rows is accepted while the queue is empty."""

_Rows = tuple[Values, ...]


class PickledModel:
    """Predicts in a separate thread, so that the event loop is not blocked. Waiting calls share the next batch."""

    def __init__(self, artefact: Artefact) -> None:
        self._estimator = _estimator(artefact)
        try:
            check_probes(artefact.folder, artefact.manifest, self._predict)
            _check_age(artefact, self._predict)
        except ModelRefused:
            raise
        except Exception as error:  # a foreign estimator may raise anything
            raise ModelRefused(f"its estimator {artefact.manifest.estimator} fails on its probes") from error
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._calls: Batcher[_Rows, list[float]] = Batcher(self._predict_calls, max_in_flight=1)
        self._rows_waiting = 0

    def _predict(self, rows: Sequence[Values]) -> list[float]:
        import numpy as np  # noqa: PLC0415

        inputs = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
        return [float(probability) for probability in self._estimator.predict_proba(inputs)[:, 1]]

    async def _predict_calls(self, calls: Sequence[_Rows], _: Ask[object]) -> Mapping[_Rows, list[float]]:
        rows = [row for call in calls for row in call]
        found = iter(await asyncio.get_running_loop().run_in_executor(self._thread, self._predict, rows))
        return {call: [next(found) for _ in call] for call in calls}

    async def probabilities(self, rows: Sequence[Values], until: float) -> list[float]:
        """The probability of default of each row.

        Raises Overloaded if too many rows are waiting, and DeadlineExceeded at the loop time `until`.
        """
        if not rows:
            return []
        if self._rows_waiting and self._rows_waiting + len(rows) > _MOST_ROWS_WAITING:
            raise Overloaded
        self._rows_waiting += len(rows)
        try:
            found = await self._calls.get(tuple(map(tuple, rows)), Ask("model", until, None))
        except TimeoutError as error:
            raise DeadlineExceeded from error
        finally:
            self._rows_waiting -= len(rows)
        return found or []
