"""A control group for each session, so that its memory is limited as a whole (version 1 or 2).

The host makes one below its own group, or in version 2 below the next one above that may have
groups, so that sessions stay within the limits that the host is under. It hands the zygote an open
`tasks`; the interpreter writes itself in before any code of the session runs. In version 1 a
thread that moves itself costs microseconds; to be moved by another takes a lock of the whole
system. The supervisor stays outside, and cannot be the victim. Groups bear the owner's process
id and start time, so that a sweep knows whose are left.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agentgym_sandbox import kills
from agentgym_sandbox.base import Limits

__all__ = ["Group", "Groups", "find", "owner_prefix", "sweep"]

NAME = re.compile(r"agentgym-(\d+)-(\d+)-\d+")
MEMORY_UNIT = 1024 * 1024
HARNESS_MB = 16  # what the interpreter itself may need: `RESERVE_BYTES` of its address space
BUSY_WAIT_S = 2.0  # a killed process leaves its group within milliseconds


@dataclass(slots=True)
class Group:
    """One session's group.

    Attributes:
        folders: Its folder, in version 1 one for each controller.
        entries: Descriptors to write into for whoever joins; closed once they were handed on.
        events: Descriptor of the kernel's count of kills for want of memory.
    """

    folders: list[str] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    events: int = -1

    def out_of_memory(self) -> bool:
        """Say whether the kernel has killed a process of the session for want of memory."""
        return self.events >= 0 and kills.count(self.events) > 0

    def occupied(self) -> bool:
        """Say whether any process is in there, in each of the folders."""
        return all(Path(f"{folder}/cgroup.procs").read_text() for folder in self.folders)

    def close_entries(self) -> None:
        """Let nobody join any more through this process."""
        while self.entries:
            os.close(self.entries.pop())

    def close(self) -> None:
        """Remove the group; its processes must be dead."""
        self.close_entries()
        if self.events >= 0:
            os.close(self.events)
        self.events = -1
        while self.folders:
            _remove(self.folders.pop())


@dataclass(frozen=True, slots=True)
class Groups:
    """Where this process can make groups.

    Attributes:
        version: Of the kernel's interface, 1 or 2.
        memory: The folder for groups that limit memory.
        pids: The folder for those that limit processes; empty: there is none.
    """

    version: int
    memory: str
    pids: str

    def make(self, limits: Limits, base_bytes: int, *, count_processes: bool) -> Group:
        """Make a group with limits and nobody in it.

        Args:
            limits: What the session may use.
            base_bytes: Memory that the interpreter starts with and may come to own, by writing.
            count_processes: Whether to limit processes, too.

        Raises:
            OSError: If the kernel refuses.
        """
        group = Group()
        memory_bytes = base_bytes + MEMORY_UNIT * (limits.memory_mb + limits.disk_mb + HARNESS_MB)
        name = f"{owner_prefix()}{_serial()}"
        try:
            folder = _new(group, self.memory, name)
            if self.version == 1:
                _write(folder, "memory.limit_in_bytes", memory_bytes)
                _write(folder, "memory.memsw.limit_in_bytes", memory_bytes, needed=False)
            else:
                _write(folder, "memory.max", memory_bytes)
                _write(folder, "memory.swap.max", 0, needed=False)
                _write(folder, "memory.oom.group", 1, needed=False)
            self._open(group, folder)
            if self.pids and count_processes:
                other = folder if self.pids == self.memory else _new(group, self.pids, name)
                _write(other, "pids.max", limits.pids + 1)
                if other != folder:
                    group.entries.append(os.open(f"{other}/tasks", os.O_WRONLY | os.O_CLOEXEC))
        except BaseException:
            group.close()
            raise
        return group

    def _open(self, group: Group, folder: str) -> None:
        entry, events = "cgroup.procs", "memory.events"
        if self.version == 1:
            entry, events = "tasks", "memory.oom_control"
        group.entries.append(os.open(f"{folder}/{entry}", os.O_WRONLY | os.O_CLOEXEC))
        group.events = os.open(f"{folder}/{events}", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where groups are made."""
        return tuple(dict.fromkeys(folder for folder in (self.memory, self.pids) if folder))


def find() -> tuple[Groups | None, str]:
    """Find where groups can be made; if nowhere, say why."""
    own = _own_folders()
    memory = _first_that_limits([own.get("memory", "")], "memory.limit_in_bytes")
    if memory:
        pids = _first_that_limits([own.get("pids", "")], "pids.max")
        return Groups(1, memory, pids), ""
    above = own.get("", "").rstrip("/").split("/")
    candidates = ["/".join(above[:depth]) for depth in range(len(above), 3, -1)]
    memory = _first_that_limits(candidates, "memory.max")
    if memory:
        pids = _first_that_limits([memory], "pids.max")
        return Groups(2, memory, pids), ""
    return None, "no control group of this process may have groups of ours with a limit of memory"


def _first_that_limits(folders: list[str], limit: str) -> str:
    """Give the first folder where a group can be made that has this limit."""
    for folder in folders:
        if not folder or not os.access(folder, os.W_OK):
            continue
        trial = f"{folder}/{owner_prefix()}{_serial()}"
        try:
            os.mkdir(trial)
        except OSError:
            continue
        there = os.access(f"{trial}/{limit}", os.W_OK)
        _remove(trial)
        if there:
            return folder
    return ""


def _own_folders() -> dict[str, str]:
    """Give the folder of our own group by controller; that of version 2 has no name."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        mounts = list(_mounts())
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            for kind, options, root, folder in mounts:
                right = kind == "cgroup2" if not name else name in options and kind == "cgroup"
                if right and (path + "/").startswith(root.rstrip("/") + "/"):
                    found[name] = folder + path[len(root.rstrip("/")) :].rstrip("/")
    return found


def _mounts() -> Iterator[tuple[str, list[str], str, str]]:
    """Give type, options, root and folder of each file system of groups."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind.startswith("cgroup"):
            root, folder = before.split()[3:5]
            yield kind, options.split(","), root, folder


def sweep(groups: Groups) -> None:
    """Remove what dead owners left, in our group and in those beside it."""
    for folder in groups.folders:
        for path in Path(folder).parent.glob("*/agentgym-*-*-*"):
            owner = NAME.fullmatch(path.name)
            if owner and _start_time(int(owner[1])) != owner[2]:
                with contextlib.suppress(OSError):
                    path.rmdir()  # the kernel refuses while anything lives in there


def _remove(path: str) -> None:
    """Remove one group, waiting for those in it to be gone; one that stays is left for a sweep."""
    deadline = time.monotonic() + BUSY_WAIT_S
    while True:
        try:
            return os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return None
        time.sleep(0.001)


def owner_prefix() -> str:
    """Give how the names of our groups begin: with whose they are."""
    return _prefix(os.getpid())


@functools.cache
def _prefix(pid: int) -> str:
    return f"agentgym-{pid}-{_start_time(pid)}-"


def _start_time(pid: int) -> str:
    """Give when a process started, in the kernel's ticks; nothing if it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


_numbers = iter(range(2**62))


def _serial() -> int:
    return next(_numbers)  # whole, from any thread: a range's iterator is one step in C


def _new(group: Group, parent: str, name: str) -> str:
    folder = f"{parent}/{name}"
    os.mkdir(folder)
    group.folders.append(folder)
    return folder


def _write(folder: str, name: str, value: int, *, needed: bool = True) -> None:
    try:
        fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if needed:
            raise
        return
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)
