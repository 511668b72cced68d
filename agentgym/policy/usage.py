"""What an endpoint says that it read and wrote, in all and episode by episode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Usage", "count", "metered"]


@dataclass(slots=True)
class Usage:
    """Requests, and the tokens that they were charged for."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    sampled_tokens: int = 0

    def add(self, other: Usage) -> None:
        """Add what another has counted."""
        self.requests += other.requests
        self.retries += other.retries
        self.prompt_tokens += other.prompt_tokens
        self.sampled_tokens += other.sampled_tokens


_meter: ContextVar[Usage | None] = ContextVar("agentgym_usage", default=None)


@contextmanager
def metered() -> Iterator[Usage]:
    """Yield what the requests of this block use, whatever else is in flight beside it."""
    used = Usage()
    token = _meter.set(used)
    try:
        yield used
    finally:
        _meter.reset(token)


def count(total: Usage, used: Usage) -> None:
    """Add what a request used to a policy's total, and to the block that made the request."""
    total.add(used)
    meter = _meter.get()
    if meter is not None:
        meter.add(used)
