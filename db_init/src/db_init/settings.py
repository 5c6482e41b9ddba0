"""The settings of the commands: databases, passwords of roles, and limits."""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared_schemas.shards import each_url

PREFIX = "DB_INIT_"
_SECRETS = Path("/run/secrets")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )

    database_url: SecretStr = Field(
        description="PostgreSQL, as the role that owns the schema: postgresql://owner@host/db. "
        "Several URLs, separated by spaces: each database has a share of the clients."
    )
    database_password: SecretStr | None = Field(default=None, description="Password, if the URL holds none.")
    reader_password: SecretStr | None = Field(
        default=None,
        description="Password that `migrate` sets for the role feature_service; without it the role keeps its own.",
    )
    writer_password: SecretStr | None = Field(
        default=None,
        description="Password that `migrate` sets for the role feature_writer; without it the role keeps its own.",
    )
    wait_seconds: float = Field(
        default=30.0, ge=0, description="Seconds to wait for a database that does not answer yet."
    )
    memory: str = Field(
        default="2GB",
        pattern=r"^[0-9]+([.][0-9]+)? ?([kKMGT]i?)?B$",
        description="Memory that the feature pipeline may use before it uses the disk.",
    )
    model_dir: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("model_dir", "DB_INIT_MODEL_DIR", "MODEL_DIR"),
        description="Registry folder of the prediction service, where `apply` looks up the features of the champion.",
    )
    online_store: str | None = Field(
        default=None,
        description="Table to which `publish` writes vectors: dynamodb://TABLE?region=REGION[&endpoint=URL].",
    )

    @property
    def database_urls(self) -> list[str]:
        return each_url(self.database_url.get_secret_value())
