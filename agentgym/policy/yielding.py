"""What a sampler in this process leaves to others: cores, and turns of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["cores_left", "loop_left"]

# From this many weights on a layer is enough work to share out over cores.
_LARGE = 30_000_000


@contextlib.contextmanager
def cores_left(model: Any, *, on_cpu: bool) -> Iterator[None]:
    """On a CPU let a small model sample on one core: the others run environments meanwhile.

    Two threads that wait for each other at every small layer, on cores that others want too, were
    measured to be several times slower than one.

    Args:
        model: What is sampled from, a module.
        on_cpu: Whether it samples on a CPU.
    """
    import torch

    threads = torch.get_num_threads()
    if on_cpu and sum(weight.numel() for weight in model.parameters()) < _LARGE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


async def loop_left() -> None:
    """Let the event loop turn between two steps, so that whoever can join the next one does."""
    await asyncio.sleep(0)  # what environments have answered is read, where they are
    await asyncio.sleep(0)  # in another process; it reaches the episodes,
    await asyncio.sleep(0)  # and these ask for their next turns
