"""Metrics of a run: a line of JSON a step, a line on the console, TensorBoard where installed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from agentgym.errors import RunError

__all__ = ["MetricsLog"]

# What a step's line on the console shows, where its row has it: name in the row, name shown, width.
_SHOWN = (
    ("step", "step", 4),
    ("reward", "reward", 6),
    ("no_signal", "no signal", 6),
    ("entropy", "entropy", 6),
    ("grad_norm", "gradient", 6),
    ("gap_mean", "gap", 8),
    ("turns", "turns", 5),
    ("unscored", "unscored", 2),
)


class MetricsLog:
    """Appends rows to ``metrics.jsonl``, each flushed as one line.

    Opening it drops a last line that a killed process left torn. Its position goes into a
    checkpoint; on resume `truncate_to` cuts what was written after it, so no step is there twice.
    Rows with a ``step`` go to TensorBoard too, beside the file, where that is installed.

    Args:
        path: The file; it and its folder are made if missing.
        tensorboard: False leaves TensorBoard out.

    Raises:
        OSError: If it cannot be written.
    """

    def __init__(self, path: Path, *, tensorboard: bool = True) -> None:
        self.path = path
        self._board: _Board | None = None
        self._wants_board = tensorboard
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._drop_torn_line()

    def _drop_torn_line(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        self._file.truncate(content.rfind(b"\n") + 1)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row; numbers that are not finite become null, for JSON has none."""
        line = json.dumps(_finite(row), default=str, allow_nan=False)
        self._file.write(line.encode("ascii") + b"\n")
        self._file.flush()
        if self._wants_board and "step" in row:
            self._to_board(row)

    def _to_board(self, row: Mapping[str, Any]) -> None:
        if self._board is None:
            try:
                self._board = _Board(self.path.parent / "tensorboard", int(row["step"]))
            except ImportError:  # not installed, or without torch
                self._wants_board = False
                return
        self._board.append(row)

    def line(self, row: Mapping[str, Any]) -> str:
        """Return one line for the console: what matters of a row, in columns."""
        flat = _flat(row)
        shown = (
            f"{title} {_cell(flat[name]):<{width}}" for name, title, width in _SHOWN if name in flat
        )
        return "  ".join(shown).rstrip()

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def position(self) -> int:
        """Return the size in bytes of what was written so far."""
        self._file.seek(0, 2)
        return self._file.tell()

    def truncate_to(self, offset: int) -> None:
        """Cut the file back to an earlier `position`.

        Raises:
            RunError: If the file never had a line's end there.
        """
        within = 0 <= offset <= self.position()
        if not within or (offset and not self._ends_line(offset)):
            raise RunError(
                f"'{self.path}' has no line that ends at byte {offset}, where the checkpoint "
                "stopped: it was changed since; use another run folder"
            )
        self._file.truncate(offset)

    def _ends_line(self, offset: int) -> bool:
        self._file.seek(offset - 1)
        return self._file.read(1) == b"\n"

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows, read back from the file."""
        self._file.seek(0)
        return [json.loads(line) for line in self._file.read().splitlines()]

    def close(self) -> None:
        """Close the files; safe to call twice."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


class _Board:
    """TensorBoard event files; steps that a killed run left from ``first_step`` on are dropped."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=first_step)

    def append(self, row: Mapping[str, Any]) -> None:
        for name, value in _flat(row).items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        self._writer.close()


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return every number of a row, those of nested mappings as ``outer/inner``."""
    flat: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[f"{prefix}{key}"] = float(value)
    return flat


def _cell(value: float) -> str:
    whole = math.isfinite(value) and value.is_integer()
    return str(int(value)) if whole else f"{value:.3g}"
