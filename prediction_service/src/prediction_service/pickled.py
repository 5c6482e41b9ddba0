"""Serves any other scikit-learn classifier from its joblib file. Only this module unpickles, and only verified bytes."""

import asyncio
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prediction_service.artefact import Artefact, ModelRefused, check_probes
from prediction_service.scorecard import Values


def _estimator(artefact: Artefact) -> Any:
    content = (artefact.folder / "model.joblib").read_bytes()
    if hashlib.sha256(content).hexdigest() != artefact.manifest.files["model.joblib"].sha256:
        raise ModelRefused("its file model.joblib is not the one that the manifest vouches for")
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
    return joblib.load(io.BytesIO(content))


class PickledModel:
    """Predicts in a thread of its own, so that the event loop goes on."""

    def __init__(self, artefact: Artefact) -> None:
        self._estimator = _estimator(artefact)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        check_probes(artefact.folder, artefact.manifest, lambda values: self._predict([values])[0])

    def _predict(self, rows: Sequence[Values]) -> list[float]:
        import numpy as np  # noqa: PLC0415

        inputs = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
        return [float(probability) for probability in self._estimator.predict_proba(inputs)[:, 1]]

    async def probabilities(self, rows: Sequence[Values]) -> list[float]:
        if not rows:
            return []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._predict, rows)
