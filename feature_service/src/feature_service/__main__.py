"""Runs the feature service: `python -m feature_service`, configured by FEATURE_SERVICE_* variables."""

from feature_service.settings import Settings
from service_kit.service import run_service

if __name__ == "__main__":
    run_service("feature_service.app:create_app", Settings())
