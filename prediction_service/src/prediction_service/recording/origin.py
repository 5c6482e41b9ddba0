"""Checks at startup that the decision log is the one that the settings name."""

import asyncio

import structlog

from decision_log import DecisionLog, LogUnavailable
from prediction_service.settings import PREFIX, Settings

log = structlog.get_logger()


class AnotherLog(Exception):
    """A demonstration with a simulated clock must not write to a log that is not its own."""


async def compare_origin(decision_log: DecisionLog, settings: Settings) -> None:
    """Compare the origin of the log's checkpoints with the settings. Logs a warning if they differ.

    Raises AnotherLog instead if a demo clock is set. Before the first checkpoint there is nothing to compare. While the
    database is unavailable, the origin is unknown, but nothing can be decided either: the service starts, and only a
    demonstration raises AnotherLog.
    """
    configured = settings.decision_log_origin
    deadline = asyncio.get_running_loop().time() + settings.decision_log_timeout_seconds
    try:
        checkpoint = await decision_log.tree.checkpoint(deadline)
    except LogUnavailable as fault:
        if settings.demo_clock is not None:
            raise AnotherLog("The decision database is unavailable, so the origin of the log is unknown.") from fault
        return
    found = checkpoint.partition("\n")[0] if checkpoint else configured
    if found == configured:
        return
    if settings.demo_clock is not None:
        raise AnotherLog(f"{PREFIX}DECISION_LOG_ORIGIN is {configured}, but the log's checkpoints are of {found}.")
    log.warning("decision_log_has_another_origin", configured=configured, found=found)
