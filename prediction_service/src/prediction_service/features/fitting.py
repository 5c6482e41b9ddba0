"""Compares the served feature set with the inputs of the champion, and selects the feature versions to request."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from prediction_service.errors import FeatureSetMismatch
from prediction_service.features.answers import Found, SelectionRefused
from prediction_service.features.client import FeatureClient
from service_kit.problems import ProblemError
from service_kit.request.ask import Ask
from shared_schemas import Feature, FeatureDefinitions

log = structlog.get_logger()

_KEPT = 64
"""Maximum results of comparisons in the cache."""


class Decider(Protocol):
    """The parts of a model that this module needs."""

    @property
    def version(self) -> str: ...

    @property
    def inputs(self) -> Sequence[Feature]: ...


class Fit(NamedTuple):
    """How a feature set fits a model.

    `misfits`: names of inputs that the set does not serve in the model's version and type. `selection`: the features to
    request; None if the present versions are those of the model.
    """

    misfits: tuple[str, ...]
    selection: tuple[str, ...] | None


class FittedFeatures:
    """Fetches vectors that fit the champion. Raises FeatureSetMismatch if they do not, and the errors of the client.

    Reads the served definitions again when an answer has a new digest, and when requested features are not served any
    more.
    """

    def __init__(self, client: FeatureClient, champion: Callable[[], Decider | None]) -> None:
        self.client = client
        self._champion = champion
        self._served: FeatureDefinitions | None = None
        self._fits: dict[tuple[str, str], Fit] = {}

    async def vector(self, client_id: int, ask: Ask[object]) -> Found | None:
        try:
            found = await self.client.vector(client_id, ask)
        except SelectionRefused as refusal:
            self._forget(refusal.selection)
            found = await self.client.vector(client_id, ask)
        if found is not None and not await self._fits_now(found.digest, ask):
            return (await self.client.vectors([client_id], ask)).get(client_id)
        return found

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Mapping[int, Found]:
        try:
            found = await self.client.vectors(client_ids, ask)
        except SelectionRefused as refusal:
            self._forget(refusal.selection)
            found = await self.client.vectors(client_ids, ask)
        for digest in {one.digest for one in found.values()}:
            if not await self._fits_now(digest, ask):
                return await self.client.vectors(client_ids, ask)
        return found

    def _forget(self, selection: Sequence[str]) -> None:
        """Request all served features until their definitions are known. Only a selection's first refusal counts."""
        if self.client.selection == selection:
            self.client.selection = None
            self._served = None
            self._fits.clear()

    async def check(self, ask: Ask[object]) -> None:
        """Raises FeatureSetMismatch if the served set is known and does not fit the champion."""
        try:
            served = self._served or await self._read(ask)
        except ProblemError:  # readiness does not depend on the feature service
            return
        await self._fits_now(served.digest, ask)

    def fits(self, model: Decider) -> bool:
        """Whether the requested vectors have the model's inputs in its versions; True if the set is not known."""
        if self._served is None:
            return True
        fit = self._fit(model, self._served)
        return not fit.misfits and fit.selection == self.client.selection

    async def _fits_now(self, digest: str | None, ask: Ask[object]) -> bool:
        """False if the vectors must be fetched again, in the versions that the champion reads.

        Raises FeatureSetMismatch if the set does not serve these versions.
        """
        champion = self._champion()
        if champion is None or digest is None:
            return True
        fit = self._fits.get((champion.version, digest))
        if fit is None:
            served = self._served
            if served is None or served.digest != digest:
                served = await self._read(ask)
            fit = self._fit(champion, served)
        if fit.misfits:
            raise FeatureSetMismatch(", ".join(fit.misfits))
        if fit.selection == self.client.selection:
            return True
        self.client.selection = fit.selection
        return False

    async def _read(self, ask: Ask[object]) -> FeatureDefinitions:
        self._served = await self.client.definitions(ask)
        return self._served

    def _fit(self, model: Decider, served: FeatureDefinitions) -> Fit:
        key = (model.version, served.digest)
        fit = self._fits.get(key)
        if fit is None:
            if len(self._fits) >= _KEPT:
                self._fits.clear()
            fit = self._fits[key] = fit_of(model.inputs, served)
            if fit.misfits:
                log.error("feature_set_mismatch", model_version=model.version, features=list(fit.misfits))
        return fit


def fit_of(inputs: Sequence[Feature], served: FeatureDefinitions) -> Fit:
    """Compare the inputs of a model with the served definitions."""
    present = {feature.name: feature for feature in served.features}
    retained = {(feature.name, feature.version): feature for feature in served.retained}
    misfits, older = [], {}
    for feature in inputs:
        same = present.get(feature.name)
        if same is None or same.version != feature.version:
            same = retained.get((feature.name, feature.version))
            if same is not None:
                older[feature.name] = f"{feature.name}@{feature.version}"
        if same is None or same.type != feature.type:
            misfits.append(feature.name)
    if not older:
        return Fit(tuple(misfits), None)
    names = [*present, *(name for name in older if name not in present)]
    return Fit(tuple(misfits), tuple(older.get(name, name) for name in names))
