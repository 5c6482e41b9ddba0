"""Where the database is, and which passwords its roles get."""

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
        description="PostgreSQL, as the role that owns the schema: postgresql://owner@host/db. Several URLs with spaces between: each "
        "has its share of the clients."
    )
    database_password: SecretStr | None = Field(default=None, description="Password, where the URL holds none.")
    reader_password: SecretStr | None = Field(
        default=None,
        description="Password that `migrate` gives the role feature_service; none: it keeps the one it has.",
    )
    writer_password: SecretStr | None = Field(
        default=None,
        description="Password that `migrate` gives the role feature_writer; none: it keeps the one it has.",
    )
    wait_seconds: float = Field(
        default=30.0, ge=0, description="How long to wait for a database that is not there yet."
    )
    memory: str = Field(
        default="2GB",
        pattern=r"^[0-9]+([.][0-9]+)? ?([kKMGT]i?)?B$",
        description="Memory that the feature pipeline may use before it turns to disk.",
    )
    model_dir: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("model_dir", "DB_INIT_MODEL_DIR", "MODEL_DIR"),
        description="Registry folder of the prediction service: `apply` asks it what the champion reads.",
    )
    online_store: str | None = Field(
        default=None,
        description="Table that `publish` brings vectors to: dynamodb://TABLE?region=REGION[&endpoint=URL].",
    )

    @property
    def database_urls(self) -> list[str]:
        return each_url(self.database_url.get_secret_value())
