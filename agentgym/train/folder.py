"""The run folder: who may write it, what was asked for, and what came out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import IO, Any, Protocol

from agentgym.errors import RunError

__all__ = ["RunFolder", "RunSettings", "write_json"]

# What may differ when a run is taken up again: how far to go, how often to look, and what an error
# may tell its user to change.
_FREE = {
    "allow_overlap",
    "compile",
    "concurrency",
    "context",
    "env_processes",
    "env_timeout_s",
    "episode_timeout_s",
    "eval_every",
    "gpu_memory",
    "gradient_checkpointing",
    "keep_checkpoints",
    "micro_batch_tokens",
    "out",
    "packing",
    "probe_tolerance",
    "record_learned",
    "retries",
    "save_every",
    "share_prompts",
    "step_deadline_s",
    "steps",
    "weights_folder",
}


class RunSettings(Protocol):
    """The settings of a run, as a pydantic model; those of every kind of run have these."""

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        ...

    def model_dump_json(self) -> str:
        """Return all settings as JSON."""
        ...


def write_json(path: Path, value: Any) -> None:
    """Write aside, then rename: a reader never sees half a file."""
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(json.dumps(value, indent=2) + "\n")
    aside.replace(path)


class RunFolder:
    """A run folder held by this process; a context manager.

    Args:
        config: What is to be run.
        free: Names of the settings that may differ when it is taken up again.

    Raises:
        RunError: If another process holds the folder, it cannot be written, or it belongs to a
            run with other settings.
    """

    def __init__(self, config: RunSettings, free: AbstractSet[str] = frozenset(_FREE)) -> None:
        self.config = config
        self._free = free
        self.path = config.folder
        self._lock: IO[str] | None = None

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # told where every full disk is
                raise
            raise RunError(
                f"'{self.path}' cannot be a run folder ({error.strerror}); choose another --out"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise RunError(
                f"another process is running in '{self.path}'; wait for it or choose another --out"
            ) from None
        try:
            self._settle_config()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def file(self, name: str) -> Path:
        """Return the path of a file of the run."""
        return self.path / name

    @property
    def checkpoints(self) -> Path:
        """Return the folder of checkpoints."""
        return self.path / "checkpoints"

    def _settle_config(self) -> None:
        """Record the settings, or hold them against those that the run was begun with."""
        path = self.file("config.json")
        asked = json.loads(self.config.model_dump_json())
        # A setting that is younger than the run had no other value than its default.
        defaults = _defaults(self.config)
        if self._is_begun():
            begun = defaults | _read(path)
            changed = [
                f"{name} (was {begun.get(name)!r}, now {value!r})"
                for name, value in asked.items()
                if name not in self._free and begun.get(name) != value
            ]
            if changed:
                raise RunError(
                    f"the run in '{self.path}' has other settings: {', '.join(changed)}; "
                    "choose another --out or give the same ones"
                )
        elif not path.exists() and any(
            name for name in os.listdir(self.path) if not name.startswith(".")
        ):
            raise RunError(f"'{self.path}' is no run folder and not empty; choose another --out")
        write_json(path, asked)

    def _is_begun(self) -> bool:
        """Tell whether anything came of the run so far, for which its settings must stand."""
        if not self.file("config.json").exists():
            return False
        names = ("episodes.jsonl", "evaluations.jsonl", "metrics.jsonl", "summary.json")
        files = [self.file(name) for name in names if self.file(name).exists()]
        return any(file.stat().st_size for file in files) or any(self.checkpoints.glob("step-*"))

    def summary(self) -> dict[str, Any] | None:
        """Return the summary, if the run once reached an end."""
        path = self.file("summary.json")
        return _read(path) if path.exists() else None


def _defaults(config: Any) -> dict[str, Any]:
    """Return the value of every setting that has a default."""
    optional = {
        name: field.get_default(call_default_factory=True)
        for name, field in type(config).model_fields.items()
        if not field.is_required()
    }
    made = type(config).model_construct(**optional)
    return dict(json.loads(made.model_dump_json(include=set(optional))))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise RunError(
            f"'{path}' is no JSON ({error}); remove it or choose another --out"
        ) from error
    if not isinstance(value, dict):
        raise RunError(f"'{path}' does not hold an object; remove it or choose another --out")
    return value
