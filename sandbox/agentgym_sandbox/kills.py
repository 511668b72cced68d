"""The kernel's own count of processes that it killed in a control group for want of memory.

It is raised before the victim gets its signal, so whoever learns of a death finds it counted.
"""

from __future__ import annotations

import os

__all__ = ["count"]

COUNTER = b"oom_kill "


def count(events: int) -> int:
    """Read the count.

    Args:
        events: Descriptor of `memory.events` (version 2) or `memory.oom_control` (version 1).

    Returns:
        The number of kills; 0 if the group is gone or the kernel does not count.
    """
    try:
        _, found, rest = os.pread(events, 4096, 0).rpartition(COUNTER)
    except OSError:  # the group was removed by somebody else
        return 0
    return int(rest.split(None, 1)[0]) if found else 0
