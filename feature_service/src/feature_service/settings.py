"""The settings of the feature service."""

from pydantic import Field, SecretStr, field_validator, model_validator

from service_kit.settings import ServiceSettings, settings_config
from shared_schemas.online_items import TableAddress
from shared_schemas.shards import each_url

PREFIX = "FEATURE_SERVICE_"
POSTGRESQL = "postgresql"


class Settings(ServiceSettings):
    model_config = settings_config(PREFIX)

    port: int = Field(default=8001, ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    database_url: SecretStr = Field(
        default=SecretStr("postgresql://feature_service@127.0.0.1:5432/features"),
        description="PostgreSQL, the system of record, as the role that may only read it. Several URLs with spaces between: each has its "
        "share of the clients. Empty: none, beside a table of DynamoDB.",
    )
    database_password: SecretStr | None = Field(default=None, description="Password, where the URL holds none.")
    writer_database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL, as the role that may write vectors; none: nothing can be written. As many URLs, in the same order.",
    )
    writer_database_password: SecretStr | None = Field(
        default=None, description="Password of that role, where the URL holds none."
    )
    database_connections: int = Field(default=4, ge=1, le=64, description="Connections held open to PostgreSQL.")
    database_timeout_seconds: float = Field(
        default=1.0, gt=0, description="Longest wait for one answer of PostgreSQL, or of the online store."
    )
    replica_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL's streaming replicas, as the role that may only read; each host is a replica of its own.",
    )
    max_store_lag_ms: int | None = Field(
        default=None,
        ge=100,
        le=60_000,
        description="Vectors in force are read from replicas that are at most so far behind; none: from the primary.",
    )
    max_batch_ids: int = Field(default=1000, ge=1, description="Most ids in one batch.")
    online_store: str = Field(
        default="postgresql",
        pattern="^(postgresql|dynamodb://.+)$",
        description="Where vectors in force are read: postgresql, or dynamodb://TABLE?region=REGION[&endpoint=URL][&consistent=false].",
    )

    @field_validator("online_store")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value != POSTGRESQL:
            TableAddress.read(value)
        return value

    @property
    def dynamodb(self) -> TableAddress | None:
        return None if self.online_store == POSTGRESQL else TableAddress.read(self.online_store)

    @property
    def has_record(self) -> bool:
        """Whether PostgreSQL, the system of record, is configured. Without it only current vectors can be read."""
        return bool(self.database_url.get_secret_value())

    @property
    def database_urls(self) -> list[str]:
        """The URLs of the databases. If there are several, each has its share of the clients."""
        return each_url(self.database_url.get_secret_value())

    @property
    def writer_database_urls(self) -> list[str]:
        """The URLs for writes; None if nothing can be written."""
        return [] if self.writer_database_url is None else each_url(self.writer_database_url.get_secret_value())

    @property
    def max_store_lag_seconds(self) -> float:
        return (self.max_store_lag_ms or 0) / 1000

    @model_validator(mode="after")
    def _bounds_replicas(self) -> "Settings":
        if (self.replica_url is None) is not (self.max_store_lag_ms is None):
            raise ValueError("REPLICA_URL and MAX_STORE_LAG_MS belong together")
        if self.replica_url is not None and self.dynamodb is not None:
            raise ValueError("replicas are of PostgreSQL: ONLINE_STORE names a table")
        return self

    @model_validator(mode="after")
    def _divides_clients(self) -> "Settings":
        count = len(self.database_urls)
        if len(self.writer_database_urls) not in (0, count):
            raise ValueError("DATABASE_URL and WRITER_DATABASE_URL must name the same databases in the same order")
        if count > 1 and (self.replica_url is not None or self.dynamodb is not None):
            raise ValueError(
                "with several URLs in DATABASE_URL there can be no REPLICA_URL, and no ONLINE_STORE of DynamoDB"
            )
        return self

    @model_validator(mode="after")
    def _names_a_store(self) -> "Settings":
        if not self.has_record and (self.dynamodb is None or self.writer_database_url is not None):
            raise ValueError("without DATABASE_URL, ONLINE_STORE must name a table, and WRITER_DATABASE_URL nothing")
        return self
