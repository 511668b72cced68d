"""Network namespaces for sessions: empty, with the loopback down, each lent to one at a time.

Making one and clearing it away costs the kernel more than all other namespaces together. A session
has no right in it (it belongs to the zygote's user namespace), so all that it can leave there
are sockets: a namespace is lent again only when the kernel counts none, and dropped otherwise.
"""

from __future__ import annotations

import os

from agentgym_sandbox import kernel

__all__ = ["Networks"]

KEEP = 256  # idle ones, at most; never more than there were sessions at a time


class Networks:
    """Lends network namespaces to sessions; the caller moves between them.

    Args:
        proc: A descriptor of /proc.
    """

    def __init__(self, proc: int) -> None:
        self._proc = proc
        self._idle: list[int] = []
        self._lent: dict[int, int] = {}  # process id of a supervisor -> descriptor
        self._current = -1

    def enter_unused(self) -> None:
        """Move this process, and with it the next session, into a namespace of no other one."""
        if not self._idle:
            kernel.unshare(kernel.CLONE_NEWNET)
            fd = os.open("self/ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
            if self._sockets() != 0:
                raise RuntimeError("a new network namespace has sockets, or cannot be looked into")
            self._idle.append(fd)
            self._current = fd
        self._enter(self._idle[-1])

    def lend(self, pid: int) -> None:
        """Note that the namespace that was entered last is this supervisor's until it ends."""
        self._lent[pid] = self._idle.pop()

    def give_back(self, pid: int) -> None:
        """Take a dead supervisor's namespace back, if nothing at all is left in there."""
        fd = self._lent.pop(pid, -1)
        if fd < 0:
            return
        self._enter(fd)
        if len(self._idle) < KEEP and self._sockets() == 0:
            self._idle.append(fd)
            return
        self._current = -1
        os.close(fd)

    def _enter(self, fd: int) -> None:
        if fd != self._current:
            kernel.set_namespace(fd, kernel.CLONE_NEWNET)
            self._current = fd

    def _sockets(self) -> int:
        """Count the sockets of the current namespace, those in flight included."""
        fd = os.open("self/net/sockstat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            words = os.read(fd, 4096).split(None, 3)
        finally:
            os.close(fd)
        return int(words[2]) if words[:2] == [b"sockets:", b"used"] else -1
