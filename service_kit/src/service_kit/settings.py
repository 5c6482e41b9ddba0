"""What every service of ours can be told: where to listen and how loudly to log."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_SECRETS = Path("/run/secrets")


def settings_config(prefix: str) -> SettingsConfigDict:
    """Settings come from variables that start with `prefix`, or from files of that name in /run/secrets."""
    return SettingsConfigDict(
        env_prefix=prefix, frozen=True, extra="ignore", secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )


class ServiceSettings(BaseSettings):
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level to log.")
    api_keys: SecretStr | None = Field(default=None, description="Lines that configure API keys.")
    api_keys_file: Path | None = Field(default=None, description="File of such lines; its changes are followed.")
    allow_anonymous: bool = Field(
        default=False, description="Listen on more than loopback though no API key is configured."
    )
    max_head_bytes: int = Field(default=16_384, ge=1024, description="Longest request line and headers that are read.")
    receive_timeout_seconds: float = Field(default=10.0, gt=0, description="Longest time a request may take to arrive.")
    request_timeout_seconds: float = Field(
        default=5.0, gt=0, description="Longest time to wait that a caller may ask for."
    )
    max_concurrent_requests: int = Field(default=512, ge=1, description="Requests at work at once; more are refused.")
    drain_seconds: float = Field(
        default=0.0, ge=0, le=60, description="How long to go on answering once told to stop, readiness apart."
    )
    max_body_bytes: int = Field(default=262_144, ge=1, description="Longest request body that is read.")
