"""Runs the prediction service: `python -m prediction_service`, configured by PREDICTION_SERVICE_* variables."""

from prediction_service.settings import Settings
from service_kit.service import run_service

if __name__ == "__main__":
    run_service("prediction_service.app:create_app", Settings())
