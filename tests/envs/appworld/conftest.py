"""The real package, installed once into a cache, and a task root that it builds itself."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentgym.train.starter import cache_folder
from agentgym_envs.appworld.env import AppWorld
from agentgym_envs.appworld.installation import PYTHON, ROOT, Installation, find
from agentgym_envs.appworld.template import lease

REQUIREMENTS = Path(__file__).parents[3] / "requirements" / "appworld.txt"
BUILDER = Path(__file__).with_name("task_root.py")


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def run(*command: str | Path, **variables: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {(done.stderr or done.stdout)[-2000:]}")


def install(venv: Path) -> None:
    """Make the virtual environment; the package is unpacked by its own command."""
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install")
    run(*pip, "--quiet", "--no-deps", "-r", REQUIREMENTS)
    python = venv / "bin" / "python"
    run(python, "-m", "appworld.cli", "install", APPWORLD_CACHE=str(venv / "cache"))


def build(root: Path, python: Path) -> None:
    root.mkdir()
    cache = str(python.parents[1] / "cache")
    run(python, BUILDER, APPWORLD_ROOT=str(root), APPWORLD_CACHE=cache)


@pytest.fixture(scope="session")
def installation() -> Installation:
    """AppWorld with the tests' task root; made under a lock, so that two runs can share it."""
    made = cache_folder()
    made.mkdir(parents=True, exist_ok=True)
    version = digest(REQUIREMENTS.read_bytes(), sys.version.encode())
    venv = made / f"appworld-{version}"
    root = made / f"appworld-{version}-root-{digest(BUILDER.read_bytes())}"
    python = venv / "bin" / "python"
    with open(made / "appworld.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "done").exists():
            shutil.rmtree(venv, ignore_errors=True)
            try:
                install(venv)
            except RuntimeError as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"AppWorld cannot be installed: {error}")
            (venv / "done").touch()
        if not (root / "done").exists():
            shutil.rmtree(root, ignore_errors=True)
            build(root, python)
            (root / "done").touch()
    return find(str(python), str(root))


@pytest.fixture(scope="session")
def warm(installation: Installation) -> Iterator[Installation]:
    """AppWorld with its template kept between tests."""
    template = lease(installation)
    yield installation
    template.give_back()


@pytest.fixture
def variables(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings by which a user says where AppWorld is."""
    monkeypatch.setenv(PYTHON, installation.python)
    monkeypatch.setenv(ROOT, installation.root)


@pytest.fixture
def env(warm: Installation) -> Iterator[AppWorld]:
    made = AppWorld(python=warm.python, root=warm.root, cell_timeout_s=1.0, max_turns=8)
    yield made
    made.close()
