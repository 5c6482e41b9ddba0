"""Credentials from the environment, files, web identity, Pod Identity, or instance metadata; renewed in time."""

import asyncio
from math import inf
from typing import Any

from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError

from feature_service.store.dynamodb.faults import Fault

_AGAIN_SECONDS = 2.0
"""Minimum time between two searches for credentials, which take some ten milliseconds of CPU."""


class Credentials:
    """Finds credentials when they are first needed, and again after a refusal, because a file may have changed."""

    def __init__(self) -> None:
        self._found: Any = None
        self._found_at = -inf

    async def frozen(self) -> Any:
        """The current access key, secret and session token. Raises Fault."""
        try:
            if self._found is None:
                self._found_at = asyncio.get_running_loop().time()
                self._found = await get_session().get_credentials()
            if self._found is None:
                raise Fault("dynamodb_credentials_missing", "none found", again=False)
            return await self._found.get_frozen_credentials()
        except (BotoCoreError, OSError) as error:
            raise Fault("dynamodb_credentials_missing", type(error).__name__) from error

    def refused(self, began: float) -> bool:
        """Whether to repeat a request that `began` then and was refused, because newer credentials were found."""
        if self._found_at >= began:
            return True
        if asyncio.get_running_loop().time() < self._found_at + _AGAIN_SECONDS:
            return False
        self._found = None
        return True
