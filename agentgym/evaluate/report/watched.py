"""The report of runs that go on: written again whenever one has grown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agentgym.errors import RunError
from agentgym.evaluate.report.written import Report, write_report

__all__ = ["watch"]

_FILES = ("episodes.jsonl", "learned.jsonl", "metrics.jsonl", "evaluations.jsonl", "summary.json")
_BUSY_SHARE = 5  # at least four fifths of the time are left to the run


def watch(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    episodes: int = 500,
    every_s: float = 10.0,
    told: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Write the report whenever a run has grown, until all have reached their end.

    While it goes on the page loads itself anew; the last version does not.

    Args:
        runs: Run folders.
        out: The file.
        episodes: As of `write_report`.
        every_s: Seconds between looks; more where writing takes long.
        told: Called with each version.

    Returns:
        The last version.

    Raises:
        RunError: As `write_report`.
    """
    seen: Mapping[Path, tuple[int, int]] | None = None
    while True:
        state = _state(runs)
        took = 0.0
        if state != seen and (report := _tried(runs, out, episodes, every_s, state)):
            told(report)
            if report.finished:
                return report
            seen, took = state, report.seconds
        time.sleep(max(every_s, took * (_BUSY_SHARE - 1)))


def _tried(
    runs: Sequence[str | Path],
    out: str | Path,
    episodes: int,
    every_s: float,
    state: Mapping[Path, tuple[int, int]],
) -> Report | None:
    """Write the report; None where a run changed under it, as when one is taken up again."""
    try:
        report = write_report(runs, out, episodes=episodes, refresh_s=every_s)
        return write_report(runs, out, episodes=episodes) if report.finished else report
    except RunError:
        if _state(runs) == state:
            raise
        return None


def _state(runs: Sequence[str | Path]) -> dict[Path, tuple[int, int]]:
    """Return size and time of every file that a report reads."""
    files = [Path(run).expanduser() / name for run in runs for name in _FILES]
    stats = {file: file.stat() for file in files if file.exists()}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()}
