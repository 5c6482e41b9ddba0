"""The settings of the local stack. Their variables have no prefix, because people type them in commands."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    front_port: int = Field(default=8000, ge=0, le=65535, description="Port of the front door; 0 is any free one.")
    data_dir: Path = Field(default=Path(".data"), description="Folder of the database, the models and the log.")
    feature_set: Path | None = Field(
        default=None,
        description="TOML file of your own feature set; needed once for data that does not fit credit_default.",
    )
    data: Path | None = Field(default=None, description="Raw events of your own to load (CSV or Parquet).")
    features: Path | None = Field(default=None, description="Precomputed feature vectors of your own to load (CSV).")
    sample_clients: int = Field(
        default=12_000,
        ge=1_500,
        description="Clients in the sample that the first run makes; fewer have too few defaults for training.",
    )
    sample_seed: int = Field(default=7, ge=0, description="Seed of that sample.")
