"""The served models: loaded from the registry folder, and reloaded when the champion or the challenger changes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Any

import structlog

from prediction_service.errors import ModelUnavailable
from prediction_service.scoring.quality import QualityCheck
from prediction_service.scoring.reasons import Explainer
from prediction_service.scoring.scorecard import Scorecard, Values
from prediction_service.versions.artefact import Artefact, ModelRefused, load
from prediction_service.versions.folder import Role, Signature, signature, version_in_role
from prediction_service.versions.pickled import PickledModel
from prediction_service.versions.shadow import Decided, Shadow, ShadowMetrics
from prediction_service.versions.values import ValuesReader
from shared_schemas import Feature, ModelRole

log = structlog.get_logger()


class ServedModel:
    """A version that has passed all checks and can decide."""

    def __init__(self, artefact: Artefact) -> None:
        self.version: str = artefact.manifest.version
        self.manifest = artefact.manifest
        self.manifest_sha256: str = artefact.manifest_sha256
        self.threshold: float = artefact.manifest.threshold
        self.inputs: tuple[Feature, ...] = artefact.manifest.inputs
        self.names = frozenset(feature.name for feature in self.inputs)
        self.quality = QualityCheck(self.inputs)
        self.values = ValuesReader(self.inputs, [f.name for f in artefact.manifest.features if f not in self.inputs])
        self.missing_rules: Mapping[str, str] = artefact.manifest.missing_rules
        self.scorecard: Scorecard | None = artefact.scorecard
        bounds = artefact.manifest.bounds_in_reasons
        self.explainer = Explainer(artefact.scorecard, self.inputs, bounds) if artefact.scorecard else None
        self.on_decided: Callable[[Decided], None] | None = None
        self._pickled = PickledModel(artefact) if artefact.scorecard is None else None

    async def probabilities(self, rows: Sequence[Values], until: float = inf) -> Sequence[float]:
        """The probability of default of each row, in order.

        Tables are computed on the event loop, because they take a microsecond per row.
        """
        if self.scorecard is not None:
            return self.scorecard.probabilities(rows)
        assert self._pickled is not None  # noqa: S101 -- a model has either a scorecard or an estimator
        return await self._pickled.probabilities(rows, until)

    def decided(self, vectors: Sequence[Mapping[str, Any]], probabilities: Sequence[float]) -> None:
        """Pass decisions on to the challenger. Not called for previews and replays."""
        if self.on_decided is not None:
            self.on_decided(Decided(vectors, probabilities, self.threshold))


def verified(folder: Path) -> ServedModel:
    """Load the version in a folder and run all checks. Raises ModelRefused."""
    return ServedModel(load(folder))


class Followed:
    """The version in a role. Loads the version that MODEL_DIR names, and keeps the previous one if that is refused.

    A refused version is logged once, and checked again only when its files change.
    """

    def __init__(self, model_dir: Path, role: Role) -> None:
        self.served: ServedModel | None = None
        self._model_dir = model_dir
        self._role = role
        self._refused: tuple[str | None, Signature] | None = None

    def look(self) -> None:
        """Load a newly named version. Blocks on files, so it must not run on the event loop."""
        name = version_in_role(self._model_dir, self._role)
        if name is None:
            self._without_name()
        elif self.served is not None and name == self.served.version:
            self._refused = None
        elif (sight := (name, signature(self._model_dir / name))) != self._refused:
            try:
                self.served = verified(self._model_dir / name)
            except ModelRefused as reason:
                self._refuse(sight, str(reason))
            else:
                self._refused = None
                log.info("model_serves", role=self._role, version=name)

    def _without_name(self) -> None:
        if self._role == "challenger":
            self.served, self._refused = None, None
        elif self._refused != (None, ()):
            self._refuse((None, ()), f"{self._model_dir / 'champion'} names no version: train or promote one")

    def _refuse(self, sight: tuple[str | None, Signature], reason: str) -> None:
        log.error("model_refused", role=self._role, version=sight[0] or "none", reason=reason)
        self._refused = sight


class Models:
    """The models of a registry folder: the champion decides, the challenger is compared with it."""

    look_seconds = 1.0

    def __init__(self, model_dir: Path, metrics: ShadowMetrics) -> None:
        self.model_dir = model_dir
        self._champion = Followed(model_dir, "champion")
        self._challenger = Followed(model_dir, "challenger")
        self.shadow = Shadow(metrics, self._opponent)

    @property
    def champion(self) -> ServedModel:
        if self._champion.served is None:
            raise ModelUnavailable
        return self._champion.served

    @property
    def served_champion(self) -> ServedModel | None:
        return self._champion.served

    def _opponent(self) -> ServedModel | None:
        """The challenger, or None if the champion is the same version."""
        champion, challenger = self._champion.served, self._challenger.served
        return challenger if champion and challenger and challenger.version != champion.version else None

    @property
    def versions(self) -> dict[ModelRole, str | None]:
        """The version that serves in each role."""
        followed: dict[ModelRole, Followed] = {"champion": self._champion, "challenger": self._challenger}
        return {role: one.served.version if one.served else None for role, one in followed.items()}

    async def look(self) -> None:
        """Load the champion and the challenger that the registry folder names now."""
        await asyncio.to_thread(self._champion.look)
        if self._champion.served is not None:
            self._champion.served.on_decided = self.shadow.offer
        await asyncio.to_thread(self._challenger.look)

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                await self.look()
            except Exception:  # log the defect and keep serving the loaded versions
                log.exception("model_look_failed")


@asynccontextmanager
async def open_models(model_dir: Path, metrics: ShadowMetrics) -> AsyncIterator[Models]:
    models = Models(model_dir, metrics)
    await models.look()
    tasks = [asyncio.create_task(models.follow()), asyncio.create_task(models.shadow.run())]
    try:
        yield models
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
