"""The settings of the prediction service."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator

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
        default=0.5, gt=0, description="Maximum wait for a connection to the feature service."
    )
    feature_service_timeout_seconds: float = Field(
        default=2.0, gt=0, description="Maximum wait for one answer of the feature service, including the connection."
    )
    model_dir: Path = Field(default=Path("models"), description="Folder of the model versions and of `champion`.")
    max_batch_ids: int = Field(default=1000, ge=1, le=1000, description="Maximum ids in one batch.")
    decision_log: bool = Field(
        default=True, description="Whether decisions are recorded; `off` turns recording off on purpose."
    )
    decision_log_database_url: SecretStr = Field(
        default=SecretStr("postgresql://decision_writer@127.0.0.1:5432/decisions"),
        description="URL of the decision log's database, with the role that may add and read records.",
    )
    decision_log_database_password: SecretStr | None = Field(
        default=None, description="Password of that role, if the URL contains none."
    )
    decision_log_eraser_database_url: SecretStr | None = Field(
        default=None,
        description="URL of the same database, with the role that may erase; without it, nothing can be erased.",
    )
    decision_log_eraser_database_password: SecretStr | None = Field(
        default=None, description="Password of that role, if the URL contains none."
    )
    decision_log_timeout_seconds: float = Field(
        default=1.0, gt=0, le=10, description="Maximum wait for the decision log. Above 0, at most 10."
    )
    decision_log_read_connections: int = Field(
        default=4, ge=1, le=64, description="Connections for reading the decision log. 1 to 64."
    )
    monitor_database_url: SecretStr = Field(
        default=SecretStr("postgresql://decision_monitor@127.0.0.1:5432/decisions"),
        description="URL of the same database, with the role of `python -m prediction_service monitor`.",
    )
    monitor_database_password: SecretStr | None = Field(
        default=None, description="Password of that role, if the URL contains none."
    )
    monitor_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="Time between two reads of new decisions by the monitor."
    )
    monitor_outcomes_seconds: float = Field(
        default=3_600.0,
        gt=0,
        description="Minimum time between two reads of outcomes by the monitor. Each read takes all outcomes.",
    )
    outcome_horizon_days: int = Field(
        default=365, ge=1, le=3650, description="Age in days from which the outcome of a decision counts."
    )
    decision_log_origin: str = Field(
        default="localhost/decisions",
        description="Name of the decision log. At startup it is compared with the log's checkpoints.",
    )
    demo_clock: Path | None = Field(
        default=None,
        description="File that holds the simulated present time, for `make demo-drift`. Refused if API keys are "
        "configured, or if the origin of the log does not begin with `demo/`.",
    )
    retention_months: int = Field(
        default=25, ge=1, le=1200, description="Age in months from which decisions may be erased (12 CFR 1002.12(b))."
    )
    creditor_name: str = Field(default="", max_length=200, description="Name of the creditor, for statements.")
    creditor_address: str = Field(default="", max_length=500, description="Address of the creditor, for statements.")
    creditor_contact: str = Field(
        default="", max_length=500, description="How to ask for a review or a correction, for statements."
    )
    agency: str = Field(
        default="", max_length=500, description="Name and address of the federal agency of 12 CFR 1002 Appendix A."
    )

    @field_validator("demo_clock")
    @classmethod
    def _demo_clock_is_of_a_demonstration(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and (info.data.get("api_keys") or info.data.get("api_keys_file")):
            raise ValueError("refused: API keys are configured, so this is no demonstration")
        if file is not None and not info.data.get("decision_log_origin", "").startswith("demo/"):
            raise ValueError(f"refused: {PREFIX}DECISION_LOG_ORIGIN does not begin with demo/")
        return file
