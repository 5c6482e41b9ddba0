"""Former model versions, loaded on demand for replays and statements."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from prediction_service.errors import ModelGone
from prediction_service.versions.artefact import ModelRefused
from prediction_service.versions.folder import is_version_name
from prediction_service.versions.serving import ServedModel, verified

_KEPT = 4
"""Maximum versions in the cache."""


class PastModels:
    """Loads versions on demand, and keeps the most recently used ones."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._kept: OrderedDict[str, ServedModel] = OrderedDict()
        self._loading = asyncio.Lock()

    async def version(self, name: str, digest: str | None = None) -> ServedModel:
        """Return the version. Raises ModelGone if it cannot be loaded, or its manifest does not have this digest."""
        async with self._loading:
            if name not in self._kept or (digest is not None and self._kept[name].manifest_sha256 != digest):
                self._kept[name] = await asyncio.to_thread(self._load, name)
            self._kept.move_to_end(name)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            found = self._kept[name]
        if digest is not None and found.manifest_sha256 != digest:
            raise ModelGone("A version of this name exists, but its manifest is not the recorded one.")
        return found

    def _load(self, name: str) -> ServedModel:
        if not is_version_name(name):
            raise ModelGone
        try:
            return verified(self._model_dir / name)
        except ModelRefused as error:
            raise ModelGone from error
