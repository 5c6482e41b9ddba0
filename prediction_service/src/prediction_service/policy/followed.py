"""The served policy: reloaded when its file changes, and kept if the new file is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog

from prediction_service.errors import PolicyUnavailable
from prediction_service.policy.folder import kept_versions, policy_in_force
from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused, ServedPolicy
from shared_schemas import Feature

log = structlog.get_logger()


class _Model(Protocol):
    version: str
    threshold: float
    inputs: tuple[Feature, ...]


class Policies:
    """The policy in force. If no policy was ever applied, it is the default policy.

    `refused`: why the present file is refused; None if it is used.
    """

    look_seconds = 1.0

    def __init__(self, model_dir: Path, champion: Callable[[], _Model | None]) -> None:
        self._current: ServedPolicy | None = None
        self.refused: str | None = None
        self._model_dir = model_dir
        self._champion = champion
        self._followed = False

    @property
    def current(self) -> ServedPolicy:
        """The policy that decides. Raises PolicyUnavailable if no usable policy was found since startup."""
        if self._current is None:
            raise PolicyUnavailable
        return self._current

    def look(self) -> None:
        """Load the policy again. Blocks on files, so it must not run on the event loop."""
        try:
            policy = self._found()
            self._check(policy)
        except PolicyRefused as reason:
            self._refuse(str(reason))
            return
        if policy != self._current:
            log.info("policy_decides", version=policy.version)
        self._current, self.refused = policy, None

    def _found(self) -> ServedPolicy:
        found = policy_in_force(self._model_dir)
        if found is None and (self._followed or kept_versions(self._model_dir)):
            raise PolicyRefused("its file is gone")
        self._followed = found is not None
        return found or DEFAULT_POLICY

    def _check(self, policy: ServedPolicy) -> None:
        model = self._champion()
        if model and (defect := policy.rules.defect(model.threshold, [feature.name for feature in model.inputs])):
            raise PolicyRefused(f"{defect} ({model.version})")

    def _refuse(self, reason: str) -> None:
        if reason != self.refused:
            log.error("policy_refused", reason=reason, decides=self._current and self._current.version)
        self.refused = reason

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # log the defect and keep the loaded policy
                log.exception("policy_look_failed")


@asynccontextmanager
async def open_policies(model_dir: Path, champion: Callable[[], _Model | None]) -> AsyncIterator[Policies]:
    policies = Policies(model_dir, champion)
    await asyncio.to_thread(policies.look)
    task = asyncio.create_task(policies.follow())
    try:
        yield policies
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
