"""The settings that every service has: where it listens, its limits, its log level."""

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
    allowed_hosts: str = Field(
        default="",
        max_length=4096,
        description="Names beside loopback, separated by commas, that the Host header may hold while no API key is configured.",
    )
    max_connections: int = Field(
        default=10_240, ge=1, le=1_000_000, description="Connections open at once; more are refused. 1 to 1,000,000."
    )
    max_pipelined_requests: int = Field(
        default=16, ge=1, le=1024, description="Requests of one connection that may wait for their turn. 1 to 1,024."
    )
    max_address_bytes: int = Field(
        default=8192, ge=256, le=65_536, description="Longest path and query that are read. 256 to 65,536."
    )
    max_headers: int = Field(default=100, ge=10, le=1000, description="Most header fields of a request. 10 to 1,000.")
    max_head_bytes: int = Field(
        default=16_384,
        ge=1024,
        le=65_536,
        description="Longest request line, headers and trailers that are read. 1,024 to 65,536.",
    )
    max_body_bytes: int = Field(
        default=262_144, ge=1, le=16_777_216, description="Longest request body that is read. 1 to 16,777,216."
    )
    receive_timeout_seconds: float = Field(
        default=10.0, gt=0, le=60, description="Longest time a request may take to arrive. Above 0, to 60."
    )
    send_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Longest time a caller may take to read an answer that it keeps waiting. Above 0, to 60.",
    )
    answer_timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="Longest time for an answer where the caller names none, erasures apart. Above 0, to 10.",
    )
    erasure_timeout_seconds: float = Field(
        default=10.0, gt=0, le=10, description="Likewise for erasures. Above 0, to 10."
    )
    max_concurrent_requests: int = Field(
        default=512, ge=1, le=1_000_000, description="Requests at work at once; more are refused. 1 to 1,000,000."
    )
    max_public_requests: int = Field(
        default=16,
        ge=1,
        le=1_000_000,
        description="Likewise for static files that need no API key; they take no place of the others. 1 to 1,000,000.",
    )
    drain_seconds: float = Field(
        default=0.0, ge=0, le=60, description="How long to go on answering once told to stop, readiness apart. 0 to 60."
    )
