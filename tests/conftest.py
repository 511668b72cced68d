"""What tests of several packages share: a tiny real model and environments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with tied embeddings."""
    from tiny_model import save_tiny

    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def subprocess_env() -> dict[str, str]:
    """The environment of subprocesses that use the tests' own environments."""
    fixtures = str(Path(__file__).parent / "fixtures")
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{fixtures}{os.pathsep}{path}" if path else fixtures}
