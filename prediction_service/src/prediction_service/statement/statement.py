"""Builds the statement about a decision. Every number comes from the record, a scored variation, or the population."""

import asyncio
from datetime import datetime
from typing import Any

from prediction_service.decisions.past import Record, model_of, policy_of, vector_of
from prediction_service.scoring.scorecard import FeatureTable
from prediction_service.settings import Settings
from prediction_service.state import State
from prediction_service.statement import words
from prediction_service.statement.variation import Search, Variation
from prediction_service.versions.catalogue import reference_of
from prediction_service.versions.serving import ServedModel


async def statement_of(state: State, record: Record) -> dict[str, Any]:
    """Build the statement about a recorded decision. Raises ModelGone."""
    model = await model_of(state, record)
    policy = await policy_of(state, record)
    search = Search(model, policy, vector_of(record), datetime.fromisoformat(record["decided_at"]), record["decision"])
    variations, place = await asyncio.gather(
        asyncio.to_thread(_variations, search), asyncio.to_thread(_place, state.settings, model, record)
    )
    adverse = record["decision"] != "approve"
    reasons = [{"code": reason["code"], "text": reason["text"]} for reason in record["reason_codes"] or ()]
    return {
        "decision_id": record["decision_id"],
        "decided_at": record["decided_at"],
        "decision": record["decision"],
        "text": words.DECIDED[record["decision"]],
        "reasons": reasons,
        "score": record["score"],
        "population": place,
        "variations": variations,
        "explanation": words.NO_TABLES if adverse and model.scorecard is None else None,
        **_who(state.settings, adverse=adverse),
        "draft": words.DRAFT,
    }


def _variations(search: Search) -> list[dict[str, Any]]:
    scorecard = search.model.scorecard
    if scorecard is None:
        return []
    tables = {table.name: table for table in scorecard.tables}
    return [_said(found, tables[found.feature.name]) for found in search.variations(scorecard)]


def _said(variation: Variation, table: FeatureTable) -> dict[str, Any]:
    return {
        "feature": variation.feature.name,
        "from": variation.stored,
        "to": variation.to,
        "text": words.variation_text(variation, table),
    }


def _place(settings: Settings, model: ServedModel, record: Record) -> dict[str, Any] | None:
    reference = reference_of(settings.model_dir, model.version)
    if reference is None:
        return None
    below, at_or_below = reference.histogram.place(record["probability"])
    return {"below": below, "at_or_below": at_or_below, "text": words.place_text(below, at_or_below)}


def _who(settings: Settings, *, adverse: bool) -> dict[str, Any]:
    contact = settings.creditor_contact or "Ask the creditor at the address above."
    agency = settings.agency or "[the agency of 12 CFR part 1002, appendix A: PREDICTION_SERVICE_AGENCY]"
    return {
        "review": words.REVIEW.format(contact=contact),
        "correction": words.CORRECTION.format(contact=contact),
        "creditor": {
            "name": settings.creditor_name or "[PREDICTION_SERVICE_CREDITOR_NAME]",
            "address": settings.creditor_address or "[PREDICTION_SERVICE_CREDITOR_ADDRESS]",
        },
        "notice": words.NOTICE.format(agency=agency) if adverse else None,
    }
