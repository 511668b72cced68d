"""How many cores sampling takes on a CPU, where environments and a learner want some too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["cores_left"]

# From this many weights on a layer is enough work to share out over cores.
_LARGE = 30_000_000


@contextlib.contextmanager
def cores_left(weights: int, *, on_cpu: bool) -> Iterator[None]:
    """On a CPU let a small model sample on one core: the others run environments meanwhile.

    Two threads that wait for each other at every small layer, on cores that others want too, were
    measured to be several times slower than one.

    Args:
        weights: How many the model has.
        on_cpu: Whether it samples on a CPU.
    """
    import torch

    threads = torch.get_num_threads()
    if on_cpu and weights < _LARGE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
