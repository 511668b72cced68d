"""What verbs owe the terminal: an output that holds the result alone, a full disk in one line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from agentgym.errors import RunError

__all__ = ["full_disk_told", "output_kept", "print_json", "saying", "text_console", "visible"]


def text_console(*, stderr: bool = False) -> Console:
    """Return where a verb prints: nothing in what it is given is markup."""
    return Console(stderr=stderr, highlight=False, markup=False)


def saying(style: str = "") -> Callable[[str], None]:
    """Return what shows one line of progress, on the standard error."""
    console = text_console(stderr=True)
    return lambda line: console.print(Text(line, style=style), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON object on a line of its own; what JSON has no form for, as text."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def visible(text: str, besides: str = "") -> str:
    """Return text without what a terminal would obey or cannot show.

    Args:
        text: Anybody's.
        besides: Characters that stay, such as the end of a line.
    """
    return "".join(char if char.isprintable() or char in besides else "\ufffd" for char in text)


@contextlib.contextmanager
def output_kept() -> Iterator[None]:
    """Send what engines print to the standard error, so that the output holds the result alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def full_disk_told(*folders: Path) -> Iterator[None]:
    """Turn every way in which libraries report a full disk into one line.

    Args:
        folders: Where the command writes.

    Raises:
        RunError: If a disk is full.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        fullest = min(folders, key=_free_bytes)
        raise RunError(
            f"the disk of '{fullest}' is full; free some space and run the same command again to "
            "go on"
        ) from error


def _is_full(error: BaseException | None) -> bool:
    """Tell whether a full disk is what an error, or one that it came from, is about."""
    if error is None:
        return False
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # A context too: PyTorch, ending a file that it could not write, fails again by another name.
    return "os error 28" in str(error) or _is_full(error.__cause__ or error.__context__)


def _free_bytes(folder: Path) -> int:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
