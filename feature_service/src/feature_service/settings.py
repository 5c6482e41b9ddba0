"""What the feature service can be told."""

from pydantic import Field, SecretStr

from service_kit.settings import ServiceSettings, settings_config

PREFIX = "FEATURE_SERVICE_"


class Settings(ServiceSettings):
    model_config = settings_config(PREFIX)

    port: int = Field(default=8001, ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    database_url: SecretStr = Field(
        default=SecretStr("postgresql://feature_service@127.0.0.1:5432/features"),
        description="PostgreSQL that holds the online store, as the role that may only read it.",
    )
    database_password: SecretStr | None = Field(default=None, description="Password, where the URL holds none.")
    writer_database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL, as the role that may write vectors; none: nothing can be written."
    )
    writer_database_password: SecretStr | None = Field(
        default=None, description="Password of that role, where the URL holds none."
    )
    database_connections: int = Field(default=4, ge=1, le=64, description="Connections held open to PostgreSQL.")
    database_timeout_seconds: float = Field(default=1.0, gt=0, description="Longest wait for one answer of PostgreSQL.")
    max_batch_ids: int = Field(default=1000, ge=1, description="Most ids in one batch.")
