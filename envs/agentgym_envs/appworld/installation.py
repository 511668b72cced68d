"""Where AppWorld is: its Python, and its task root. Found and looked at, never imported."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir

from agentgym.errors import ConfigError

__all__ = ["PYTHON", "ROOT", "SPLITS", "Installation", "find"]

PYTHON, ROOT = "AGENTGYM_APPWORLD_PYTHON", "AGENTGYM_APPWORLD_ROOT"
SPLITS = ("train", "dev", "test_normal", "test_challenge")
GUIDE = "docs/appworld.md says how to install AppWorld"

# Asks without importing the package, which takes seconds.
_ASK = """
import importlib.metadata, importlib.util, pathlib
print(importlib.metadata.version("appworld"))
folder = pathlib.Path(importlib.util.find_spec("appworld").origin).parent
print((folder / "apps" / "supervisor" / "apis.py").exists())
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """An AppWorld that can be used.

    Attributes:
        python: The interpreter of its virtual environment.
        root: The folder with ``data``.
        version: Of the package.
    """

    python: str
    root: str
    version: str

    @property
    def tasks(self) -> Path:
        """The folder with a folder for each task."""
        return Path(self.root, "data", "tasks")

    def task_ids(self, split: str) -> tuple[str, ...]:
        """Return the tasks of a split in the benchmark's order.

        Raises:
            ConfigError: If the root has no such split.
        """
        path = Path(self.root, "data", "datasets", f"{split}.txt")
        try:
            lines = path.read_text(encoding="utf-8").split()
        except OSError as error:
            raise ConfigError(f"no split '{split}' in '{self.root}': {error}; {GUIDE}") from error
        return tuple(line.partition(":")[0] for line in lines)


def find(python: str | None = None, root: str | None = None) -> Installation:
    """Find AppWorld.

    Args:
        python: An interpreter that has the package, the ``appworld`` program beside it, or the
            virtual environment; None takes ``$AGENTGYM_APPWORLD_PYTHON``.
        root: The task root; None takes ``$AGENTGYM_APPWORLD_ROOT``.

    Raises:
        ConfigError: If something is missing, with what to do.
    """
    program = _interpreter(_given(python, PYTHON, "python"))
    folder = Path(_given(root, ROOT, "root")).expanduser().absolute()
    if not (folder / "data" / "tasks").is_dir() or not (folder / "data" / "datasets").is_dir():
        raise ConfigError(
            f"no AppWorld tasks in '{folder / 'data'}'; run 'appworld download data' in the root, "
            f"and name the root in {ROOT} or root=...; {GUIDE}"
        )
    for place, way_out in ((folder.resolve(), "move the root"), (gettempdir(), "set TMPDIR")):
        if "memory" in str(place):
            raise ConfigError(
                f"AppWorld takes a path with 'memory' in it for no file: '{place}'; {way_out}"
            )
    return Installation(str(program), str(folder), _version(str(program)))


def _given(value: str | None, variable: str, argument: str) -> str:
    found = value or os.environ.get(variable)
    if not found:
        raise ConfigError(
            f"where AppWorld is has not been said; set {variable} or pass {argument}=...; {GUIDE}"
        )
    return found


def _interpreter(given: str) -> Path:
    path = Path(shutil.which(given) or given).expanduser().absolute()
    if path.is_dir():
        path = path / "bin" / "python"
    elif path.name.startswith("appworld"):
        path = path.with_name("python")
    if not os.access(path, os.X_OK) or path.is_dir():
        raise ConfigError(f"no Python at '{path}', for AppWorld; mind {PYTHON} or python=...")
    return path  # as given: what a link leads to would not find the virtual environment


@lru_cache(maxsize=16)
def _version(python: str) -> str:
    try:
        done = subprocess.run(
            [python, "-c", _ASK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"'{python}' does not run: {error}; mind {PYTHON} or python=..."
        ) from error
    answers = done.stdout.split()
    if done.returncode != 0 or len(answers) != 2:
        raise ConfigError(
            f"'{python}' has no package appworld; install it there with pip, or name another in "
            f"{PYTHON} or python=...; {GUIDE}"
        )
    if answers[1] != "True":
        raise ConfigError(f"AppWorld is not unpacked yet; run: {python} -m appworld.cli install")
    return answers[0]
