"""One registry for all tests of the demonstration: training and registering takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tocsin_demo import registry

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with version 1 and 2 promoted in turn and version 3, the corrupted one, registered."""
    place = tmp_path_factory.mktemp("demo-registry")
    registry.prepare(place)
    registry.retrain(place)
    return place
