"""Serves any other scikit-learn classifier from its joblib file. Only this module unpickles, and only verified bytes."""

import asyncio
import io
import pickle  # its error class alone
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prediction_service.artefact import Artefact, ModelRefused, check_probes, vouched_content
from prediction_service.scorecard import Values


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
    except (ImportError, AttributeError, EOFError, LookupError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise ModelRefused(f"its estimator {artefact.manifest.estimator} cannot be unpickled here") from error


class PickledModel:
    """Predicts in a thread of its own, so that the event loop goes on."""

    def __init__(self, artefact: Artefact) -> None:
        self._estimator = _estimator(artefact)
        check_probes(artefact.folder, artefact.manifest, self._predict)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def _predict(self, rows: Sequence[Values]) -> list[float]:
        import numpy as np  # noqa: PLC0415

        inputs = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
        return [float(probability) for probability in self._estimator.predict_proba(inputs)[:, 1]]

    async def probabilities(self, rows: Sequence[Values]) -> list[float]:
        if not rows:
            return []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._predict, rows)
