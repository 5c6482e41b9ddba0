"""The settings of the commands. Without settings they use the running local stack."""

import os
from pathlib import Path

import orjson
from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from decision_log.errors import CommandFailed
from decision_log.tree.notes import NoteRefused, Verifier

PREFIX = "DECISION_LOG_"
STACK_FILE = "decision_log.json"
"""Name of the file in DATA_DIR that describes the running stack: `{"database_url": ..., "dir": ..., "origin": ...}`."""
_SECRETS = Path("/run/secrets")


class Stack(BaseModel):
    """The content of DATA_DIR/decision_log.json, which the local stack writes while it runs."""

    database_url: SecretStr
    dir: Path
    origin: str


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )

    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL of the log: postgresql://role@host/database."
    )
    database_password: SecretStr | None = Field(default=None, description="Password, if the URL holds none.")
    dir: Path | None = Field(default=None, description="Folder of the key and of the checkpoint that was signed last.")
    origin: str | None = Field(default=None, description="Name of the log and of its key.")
    witnesses: str = Field(default="", description="Witnesses: URL and verifier key of each, separated by commas.")
    interval_seconds: float = Field(default=1.0, gt=0, le=3600, description="Seconds between two reads of the queue.")
    retention_months: int = Field(default=25, ge=1, le=1200, description="Age in months from which `expire` erases.")
    writer_password: SecretStr | None = Field(default=None, description="`migrate` gives it to decision_writer.")
    sequencer_password: SecretStr | None = Field(default=None, description="`migrate` gives it to decision_sequencer.")
    eraser_password: SecretStr | None = Field(default=None, description="`migrate` gives it to decision_eraser.")
    monitor_password: SecretStr | None = Field(default=None, description="`migrate` gives it to decision_monitor.")
    wait_seconds: float = Field(
        default=30.0, ge=0, description="Seconds to wait for a database that does not answer yet."
    )

    @field_validator("witnesses")
    @classmethod
    def _well_formed(cls, given: str) -> str:
        witnesses_of(given)
        return given

    def url(self) -> str:
        """The URL of the database. Raises CommandFailed if neither the settings nor a running stack name it."""
        return (self.database_url or self._stack().database_url).get_secret_value()

    def password(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None

    def folder(self) -> Path:
        """The folder of the key. Raises CommandFailed if neither the settings nor a running stack name it."""
        return self.dir or self._stack().dir

    def log_origin(self) -> str:
        if self.origin is not None:
            return self.origin
        return "localhost/decisions" if self.dir else self._stack().origin

    def _stack(self) -> Stack:
        file = Path(os.environ.get("DATA_DIR") or ".data") / STACK_FILE
        try:
            return Stack.model_validate(orjson.loads(file.read_bytes()))
        except OSError as error:
            raise CommandFailed(
                f"Set {PREFIX}DATABASE_URL and {PREFIX}DIR, or DATA_DIR to the data folder of a running stack."
            ) from error
        except ValueError as error:
            raise CommandFailed(f"{file} does not describe a running stack.") from error


def witnesses_of(text: str) -> list[tuple[str, Verifier]]:
    """URL and verifier key of each witness. Raises ValueError if one is malformed."""
    found = []
    for each in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        url, _, key = each.partition(" ")
        if not url.startswith(("http://", "https://")):
            raise NoteRefused("a witness is a URL and a verifier key, with a space between")
        found.append((url.rstrip("/"), Verifier.parsed(key)))
    return found
