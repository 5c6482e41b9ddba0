"""What the prediction service can be told."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr

from service_kit.settings import ServiceSettings, settings_config

PREFIX = "PREDICTION_SERVICE_"


class Settings(ServiceSettings):
    model_config = settings_config(PREFIX)

    port: int = Field(default=8002, ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    feature_service_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8001"), description="Where the feature service answers."
    )
    feature_service_api_key: SecretStr | None = Field(
        default=None, description="API key for the feature service, with the scope features:read."
    )
    feature_service_connect_seconds: float = Field(
        default=0.5, gt=0, description="Longest wait for a connection to the feature service."
    )
    feature_service_timeout_seconds: float = Field(
        default=2.0, gt=0, description="Longest wait for one answer of the feature service, connection included."
    )
    model_dir: Path = Field(default=Path("models"), description="Folder of the model versions and of `current`.")
    max_batch_ids: int = Field(default=1000, ge=1, le=1000, description="Most ids in one batch.")
