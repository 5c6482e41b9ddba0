"""The model that decides: loaded from the registry folder, and followed when another one becomes current."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from prediction_service.artefact import Artefact, ModelRefused, current_version, load
from prediction_service.errors import ModelUnavailable
from prediction_service.pickled import PickledModel
from prediction_service.reason_texts import reason_texts
from prediction_service.reasons import Explainer
from prediction_service.scorecard import Scorecard, Values

log = structlog.get_logger()

_LOOK_SECONDS = 1.0


class ServedModel:
    """A version that has passed its checks, ready to decide."""

    def __init__(self, artefact: Artefact) -> None:
        self.version: str = artefact.manifest.version
        self.threshold: float = artefact.manifest.threshold
        self.missing_rules: Mapping[str, str] = artefact.manifest.missing_rules
        self.scorecard: Scorecard | None = artefact.scorecard
        self.explainer = Explainer(artefact.scorecard, reason_texts()) if artefact.scorecard else None
        self._pickled = PickledModel(artefact) if artefact.scorecard is None else None

    async def probabilities(self, rows: Sequence[Values]) -> Sequence[float]:
        """Of each row, in its order. The tables take a microsecond a row: they are asked on the event loop."""
        if self.scorecard is not None:
            return [self.scorecard.probability(row) for row in rows]
        assert self._pickled is not None  # noqa: S101 -- one of the two is there
        return await self._pickled.probabilities(rows)


def verified(folder: Path) -> ServedModel:
    """The version of that folder, having passed every check. Raises ModelRefused."""
    return ServedModel(load(folder))


class Models:
    """The champion of a registry folder. A version that is refused is reported once, and the one before serves on."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._champion: ServedModel | None = None
        self._refused: str | None = None

    @property
    def champion(self) -> ServedModel:
        if self._champion is None:
            raise ModelUnavailable
        return self._champion

    async def look(self) -> None:
        """Load the current version if it is not the one that serves."""
        name = current_version(self._model_dir)
        if name is None:
            self._refuse("none", f"{self._model_dir / 'current'} names no version: train one")
        elif self._champion is None or name != self._champion.version:
            try:
                self._champion = await asyncio.to_thread(verified, self._model_dir / name)
            except ModelRefused as reason:
                self._refuse(name, str(reason))
            else:
                self._refused = None
                log.info("model_serves", version=name)

    def _refuse(self, version: str, reason: str) -> None:
        if version != self._refused:
            log.error("model_refused", version=version, reason=reason)
        self._refused = version

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()


@asynccontextmanager
async def open_models(model_dir: Path) -> AsyncIterator[Models]:
    models = Models(model_dir)
    await models.look()
    following = asyncio.create_task(models.follow())
    try:
        yield models
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
