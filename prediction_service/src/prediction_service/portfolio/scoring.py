"""Decides about every client, with the same quality check, model, policy and reasons as a single decision."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from decision_log import Entry, LogUnavailable, Recorder, Source, open_decision_log
from prediction_service.decisions.deciding import Deciders, decide, reasons_of
from prediction_service.decisions.record import Circumstances, entry_of
from prediction_service.features.fitting import fit_of
from prediction_service.policy.folder import policy_in_force
from prediction_service.policy.rules import DEFAULT_POLICY, PolicyRefused, ServedPolicy, Verdict
from prediction_service.portfolio.pages import Page, PagesFailed, SetChanged, open_pages
from prediction_service.portfolio.parts import OtherRun, Parts, Row, Rows
from prediction_service.scoring.decision import Scored, label_of, score, score_of
from prediction_service.settings import Settings
from prediction_service.versions.artefact import ModelRefused
from prediction_service.versions.folder import version_in_role
from prediction_service.versions.serving import ServedModel, verified

_PART = 20_000
"""Minimum clients in one part if nothing is recorded."""
_RECORDING_SECONDS = 30.0


class ScoringFailed(Exception):
    """The run failed. The message is for the person who ran the command."""


class Options(NamedTuple):
    out: Path
    record: bool = False
    reasons: bool = False


class Portfolio:
    """One run of `score-all`. `advance` is called with the number of clients of each finished page."""

    def __init__(self, settings: Settings, options: Options, advance: Callable[[int], None]) -> None:
        self._settings = settings
        self._options = options
        self._advance = advance
        self._model, self._policy = _deciders(settings)

    async def run(self) -> int:
        """Decide about all clients and return their number. Raises ScoringFailed; finished parts are kept."""
        try:
            parts = Parts(self._options.out, self._named())
            async with _recorder(self._settings, wanted=self._options.record) as recorder:
                await self._finish_pending(parts, recorder)
                await self._work(parts, recorder)
            return parts.finish()
        except (OtherRun, PagesFailed) as reason:
            raise ScoringFailed(str(reason)) from reason
        except LogUnavailable as reason:
            raise ScoringFailed(f"{reason} Run the command again: it continues.") from reason

    def _named(self) -> dict[str, str]:
        return {
            "model_version": self._model.version,
            "manifest_sha256": self._model.manifest_sha256,
            "policy_version": self._policy.version,
            "policy_sha256": self._policy.sha256,
            "recorded": str(self._options.record).lower(),
            "reasons": str(self._options.reasons).lower(),
        }

    async def _finish_pending(self, parts: Parts, recorder: Recorder | None) -> None:
        pending = parts.pending()
        if pending is not None and recorder is not None:
            rows, entries = pending
            await recorder.record(entries)
            parts.add(rows)

    async def _work(self, parts: Parts, recorder: Recorder | None) -> None:
        rows: list[Row] = []
        async with open_pages(self._settings) as pages:
            served = await pages.definitions()
            fit = fit_of(self._model.inputs, served)
            if fit.misfits:
                raise ScoringFailed(f"The feature set that is served does not fit the model: {', '.join(fit.misfits)}.")
            async for page in pages.after(parts.last_id, fit.selection):
                if page.digest != served.digest:
                    raise SetChanged
                decided, entries = await self._decided(page)
                if recorder is not None and entries:
                    parts.pend(decided, entries)
                    await recorder.record(entries)
                rows += decided
                if rows and (recorder is not None or len(rows) >= _PART or page.next_after is None):
                    parts.add(rows)
                    rows = []
                self._advance(len(decided))

    async def _decided(self, page: Page) -> tuple[Rows, list[Entry]]:
        now = datetime.now(UTC)
        if not self._options.record:
            return [self._row(scored) for scored in await score(self._model, page.vectors, now)], []
        of = Circumstances(now, "portfolio", None, None)
        decisions = await decide(Deciders(self._model, self._policy), page.vectors, now=now)
        entries = [entry_of(decision, self._model, self._policy, of) for decision in decisions]
        rows = [
            self._row(decision.scored, str(entry.listed.decision_id))
            for decision, entry in zip(decisions, entries, strict=True)
        ]
        return rows, entries

    def _row(self, scored: Scored, decision_id: str | None = None) -> Row:
        """The values of SCHEMA. It does not build the full answer: only records need it, and it doubles the cost."""
        vector, quality, probability = scored
        threshold = self._model.threshold
        verdict = self._policy.rules.judge(probability, threshold, quality)
        return (
            vector["client_id"],
            vector["event_timestamp"],
            probability,
            score_of(probability),
            label_of(probability, threshold),
            verdict.decision,
            verdict.decided_by,
            quality.failed or None,
            quality.stale or None,
            self._reasons(scored, verdict) if self._options.reasons else None,
            decision_id,
        )

    def _reasons(self, scored: Scored, verdict: Verdict) -> list[str]:
        if verdict.decision == "approve":
            return []
        return [reason["code"] for reason in reasons_of(self._model, scored, verdict) or ()]


def _deciders(settings: Settings) -> tuple[ServedModel, ServedPolicy]:
    version = version_in_role(settings.model_dir, "champion")
    if version is None:
        raise ScoringFailed(f"No version decides in {settings.model_dir}: train or promote one.")
    try:
        model = verified(settings.model_dir / version)
        policy = policy_in_force(settings.model_dir) or DEFAULT_POLICY
    except (ModelRefused, PolicyRefused) as reason:
        raise ScoringFailed(f"The model or the policy is refused: {reason}.") from reason
    if defect := policy.rules.defect(model.threshold, model.names):
        raise ScoringFailed(f"The policy {policy.version} does not fit the model: {defect}.")
    return model, policy


@asynccontextmanager
async def _recorder(settings: Settings, *, wanted: bool) -> AsyncIterator[Recorder | None]:
    if not wanted:
        yield None
        return
    password = settings.decision_log_database_password
    url = settings.decision_log_database_url.get_secret_value()
    source = Source(url, password.get_secret_value() if password else None, _RECORDING_SECONDS)
    async with open_decision_log(source) as log:
        yield log.recorder
