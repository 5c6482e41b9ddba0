"""How all tests run: a trained model for those that need one, property tests that a busy machine does not fail, workers."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from once import made_once
from registries import train_registry

# A machine that is busy is slow and still right. In CI a failure is found again by running it again.
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("here")

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes a file whole, so that it makes its fixtures once, and all of tests/stack and of tests/browser, which share one system."""
    for item in items:
        inside = item.path.relative_to(_HERE)
        item.add_marker(
            pytest.mark.xdist_group(whole if (whole := inside.parts[0]) in ("stack", "browser") else inside.as_posix())
        )


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one trained version, "first". The workers share it: a test that changes it copies it first."""
    return made_once(tmp_path_factory, "registry", train_registry) / "models"
