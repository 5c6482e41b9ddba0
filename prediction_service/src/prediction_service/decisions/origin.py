"""Whether the decision log is the one that the settings name."""

import asyncio

import structlog

from decision_log import DecisionLog, LogUnavailable
from prediction_service.settings import PREFIX, Settings

log = structlog.get_logger()


class AnotherLog(Exception):
    """A demonstration must not decide, by its clock, on a log that is none of its own."""


async def compare_origin(decision_log: DecisionLog, settings: Settings) -> None:
    """Warns where the log's checkpoints have another origin than the settings. Raises AnotherLog if a demo clock is set, too.

    Before the first checkpoint there is nothing to compare with. While the database is away it is not known, and nothing is
    decided either; only a demonstration does not start then.
    """
    configured = settings.decision_log_origin
    deadline = asyncio.get_running_loop().time() + settings.decision_log_timeout_seconds
    try:
        checkpoint = await decision_log.tree.checkpoint(deadline)
    except LogUnavailable as fault:
        if settings.demo_clock is not None:
            raise AnotherLog("The decision database is away, so that the log's origin is not known.") from fault
        return
    found = checkpoint.partition("\n")[0] if checkpoint else configured
    if found == configured:
        return
    if settings.demo_clock is not None:
        raise AnotherLog(f"{PREFIX}DECISION_LOG_ORIGIN is {configured}, and the log's checkpoints are of {found}.")
    log.warning("decision_log_has_another_origin", configured=configured, found=found)
