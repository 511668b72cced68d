"""What a session's code can leave behind although all of its processes are dead.

A session's namespaces serve a further interpreter only if nothing of this differs from what it was
before any code had run. Files are not cleared away but looked for: a session that has touched its
file system is ended. Left out, for the system call filter refuses them: keys, message queues,
semaphores, shared memory, memory policies; and limits, which code can set for itself only.
"""

from __future__ import annotations

import ctypes
import os

from agentgym_sandbox import kernel, root

__all__ = ["look"]

SYS_SCHED_GETATTR, SYS_IOPRIO_GET = 315, 252  # of x86_64
SCHED_ATTR_BYTES, IOPRIO_WHO_PROCESS = 56, 1


def look(sockets: int) -> tuple[object, ...]:
    """Take a picture, to be compared with an earlier one.

    Args:
        sockets: Descriptor of the ``sockstat`` of the session's network namespace.

    Returns:
        The folders (any change of an entry, a mode or an attribute moves their time of change), the
        room that is left in their file system, the number of sockets, and how the supervisor is
        scheduled, which a process of the same user may change.
    """
    space = os.statvfs("/tmp")
    scheduling = ctypes.create_string_buffer(SCHED_ATTR_BYTES)
    kernel.syscall("sched_getattr", SYS_SCHED_GETATTR, 0, scheduling, SCHED_ATTR_BYTES, 0)
    return (
        _folder("/tmp"),
        _folder(root.HOME),
        (space.f_bfree, space.f_ffree),
        os.pread(sockets, 64, 0).split(None, 3)[:3],
        scheduling.raw,
        os.sched_getaffinity(0),
        kernel.syscall("ioprio_get", SYS_IOPRIO_GET, IOPRIO_WHO_PROCESS, 0),
    )


def _folder(path: str) -> tuple[object, ...]:
    found = os.stat(path)
    entries = os.listdir(path), os.listxattr(path)
    return found.st_ino, found.st_mode, found.st_ctime_ns, *entries
