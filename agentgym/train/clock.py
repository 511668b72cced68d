"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["PHASES", "Clock"]

PHASES = ("sample", "environment", "learn", "sync", "other")


class Clock:
    """Wall seconds by phase; what no phase claims is ``other``.

    Args:
        before: Seconds by phase of earlier parts of the same run.
    """

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self._seconds = {phase: 0.0 for phase in PHASES} | dict(before or {})
        self._mark = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's seconds as ``name``."""
        self._claim("other")
        try:
            yield
        finally:
            self._claim(name)

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count seconds that were claimed by one phase as another's."""
        moved = min(seconds, self._seconds[source])
        self._seconds[source] -= moved
        self._seconds[target] += moved

    def _claim(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name] += now - self._mark
        self._mark = now

    def seconds(self) -> dict[str, float]:
        """Return the seconds by phase so far."""
        self._claim("other")
        return dict(self._seconds)
