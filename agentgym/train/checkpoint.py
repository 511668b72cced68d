"""Checkpoints: written aside, then renamed, so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from agentgym.errors import RunError

__all__ = ["Checkpoint", "newest", "save"]

_PREFIX = "step-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after ``step`` optimizer steps.

    Attributes:
        step: Steps taken; the next one to take has this number.
        model: Folder of the model and its tokenizer, as save_pretrained writes it.
        optimizer: Its state.
        random: State of torch's generators.
        metrics_bytes: Length of the metrics file at this point.
        learned_bytes: The same of ``learned.jsonl``; 0 in runs from before there was one.
        clock: Seconds by phase so far.
        counts: Episodes and tokens so far.
        learner: What the learner keeps beside its model and optimizer; empty in older runs.
    """

    step: int
    model: Path
    optimizer: dict[str, Any] = field(default_factory=dict)
    random: dict[str, Any] = field(default_factory=dict)
    metrics_bytes: int = 0
    learned_bytes: int = 0
    clock: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    launches: dict[str, Any] = field(default_factory=dict)
    learner: dict[str, Any] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint, model: Any, tokenizer: Any, *, keep: int) -> Path:
    """Write a checkpoint aside, rename it, and remove all but the ``keep`` newest.

    Raises:
        OSError: If the disk is full or the folder cannot be written; older ones stay whole.
    """
    import torch

    target = folder / f"{_PREFIX}{checkpoint.step:06d}"
    aside = folder / f".{target.name}.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        model.save_pretrained(aside / "model")
        tokenizer.save_pretrained(aside / "model")
        state = {
            name: getattr(checkpoint, name) for name in Checkpoint.__slots__ if name != "model"
        }
        with (aside / "trainer.pt").open("wb") as file:  # a path's write errors name no cause
            torch.save(state, file)
        for path in aside.rglob("*"):
            if path.is_file():
                _sync(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    _sync(folder)
    for old in sorted(folder.glob(f"{_PREFIX}*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a run, None if there is none.

    Raises:
        RunError: If it cannot be read.
    """
    import torch

    found = sorted(folder.glob(f"{_PREFIX}*"))
    if not found:
        return None
    try:
        state = torch.load(found[-1] / "trainer.pt", weights_only=True)
        return Checkpoint(model=found[-1] / "model", **state)
    except (OSError, RuntimeError, EOFError, ValueError, TypeError, UnpicklingError) as error:
        reason = str(error).partition("\n")[0]  # PyTorch appends a lecture
        raise RunError(
            f"checkpoint '{found[-1]}' cannot be read ({reason}); remove that folder to go on from "
            "the one before it"
        ) from error
