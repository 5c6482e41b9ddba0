"""How all tests run: a trained model for those that need one, property tests that a busy machine does not fail, workers."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from once import made_once
from workers import Shares, give_way, place

# Many tests start a Python of their own. Without bytecode, each spends most of its time on compiling what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Threads of training that wait for a core that another worker has take five times the work. It is read when scikit-learn is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A machine that is busy is slow and still right. In CI a failure is found again by running it again.
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("here")


@pytest.hookimpl(optionalhook=True)  # with pytest-xdist turned off, all is one process
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        give_way(item.nodeid)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one trained version, "first". The workers share it: a test that changes it copies it first."""
    from registries import train_registry  # noqa: PLC0415 -- after OMP_NUM_THREADS, and not for tests that train nothing

    return made_once(tmp_path_factory, "registry", train_registry) / "models"
