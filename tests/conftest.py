"""What tests of several packages share: a tiny real model and environments."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Whoever starts the tests in the background of a shell has them, and all that they start, ignore
# interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def threads_kept() -> Iterator[None]:
    """Leave the number of threads as it was: it decides the last bits of what others learn."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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
