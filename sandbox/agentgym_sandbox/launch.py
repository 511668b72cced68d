"""From a fork of the zygote to a session: ids, work folder, filters, and the interpreter's fork.

All that can be made beforehand is in `Prepared`. A page that a fork touches is a page that the
kernel copies, so what runs here is kept short: it costs each episode anew.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import resource
import signal
from dataclasses import dataclass
from typing import NoReturn

from agentgym_sandbox import interpreter, kernel, landlock, root, seccomp, supervisor, traces

__all__ = [
    "INITIAL_FDS",
    "NAMESPACES",
    "Prepared",
    "Request",
    "Settings",
    "become_session",
    "process_limits",
    "report",
]

# Those for IPC, host name and network are the zygote's own: no session may make a call of IPC or
# change a name, and networks are lent.
NAMESPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
PR_SET_PDEATHSIG = 1
MEMORY_UNIT = 1024 * 1024
INITIAL_FDS = 4  # control, data, stdout, stderr of a new session


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host tells the zygote, as JSON on its command line."""

    tier: str
    host_pid: int
    socket_fd: int
    preload: tuple[str, ...]
    setup: str
    trees: tuple[str, ...]
    masks: tuple[str, ...]
    packages: tuple[str, ...]
    memory_mb: int
    disk_mb: int
    pids: int
    output_bytes: int
    open_files: int
    inodes: int
    cpu_s: int
    groups: tuple[str, ...] = ()  # folders of the host's control groups
    group_prefix: str = ""  # of those that are the host's own

    @property
    def isolated(self) -> bool:
        """Whether sessions have namespaces of their own."""
        return self.tier == "namespaces"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What all sessions of a zygote share until they write to it."""

    settings: Settings
    line: int  # descriptor of the zygote's line to the host
    proc: int
    host: int  # a pidfd
    wake: tuple[int, int]  # the zygote's pipe of SIGCHLD
    filter: seccomp.Filter
    limits: list[tuple[int, tuple[int, int]]]
    worker: interpreter.Interpreter
    groups: tuple[int, ...]  # descriptors of the folders of control groups
    readable: tuple[str, ...]  # for Landlock; empty where the kernel has none


@dataclass(frozen=True, slots=True)
class Request:
    """One session that the host asks for."""

    id: bytes
    folder: str  # made by the host where there is no private one
    fds: list[int]  # control, data, stdout, stderr
    entries: list[int]  # of the session's control groups


def process_limits(settings: Settings) -> list[tuple[int, tuple[int, int]]]:
    """Give the limits of each process; they are set in the user namespace, so pids count there."""
    wanted = [
        (resource.RLIMIT_NOFILE, settings.open_files),
        (resource.RLIMIT_FSIZE, settings.disk_mb * MEMORY_UNIT),
        (resource.RLIMIT_CPU, settings.cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 65_536),
    ]
    if settings.isolated:  # elsewhere it would count every process of our user on the machine
        wanted.append((resource.RLIMIT_NPROC, settings.pids + 1))  # pid 1 counts too
    limits = []
    for name, value in wanted:
        _, hard = resource.getrlimit(name)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # One second more, for at the hard limit of time the kernel kills without saying why.
        last = bound + 1 if name == resource.RLIMIT_CPU and bound == value else bound
        limits.append((name, (bound, last)))
    return limits


def become_session(prepared: Prepared, request: Request, uid: int) -> NoReturn:
    """Be a session from here on, in the child of a clone; the host is told what goes wrong.

    Args:
        prepared: What the zygote made.
        request: What the host sent.
        uid: User and group id that the session has outside of its user namespace.
    """
    try:
        _supervise(prepared, request, uid)
    except BaseException as error:  # noqa: BLE001 - the host raises it, with the text
        report(request.fds[0], error)
    finally:
        os._exit(0)


def report(control: int, error: BaseException) -> None:
    """Tell the host why there is no session."""
    with contextlib.suppress(OSError):  # the host has already gone
        os.write(control, f"E{type(error).__name__}: {error}".encode()[:60_000])


def _supervise(prepared: Prepared, request: Request, uid: int) -> None:
    """Be pid 1: finish the isolation, fork the interpreter, serve until the end."""
    settings = prepared.settings
    control, *streams = request.fds
    os.close(prepared.line)
    for fd in (*prepared.wake, *prepared.groups):
        os.close(fd)
    sockets = os.open("self/net/sockstat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=prepared.proc)
    _take_identity(prepared, uid)
    os.close(prepared.proc)
    os.setsid()
    if settings.isolated:
        folder = root.mount_work_folder(settings.disk_mb, settings.inodes)
    else:
        folder = root.enter(request.folder)
    _give_up_rights(prepared, request.folder)
    wake, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)  # the zygote's handler stays

    def start(session_id: bytes, streams: list[int]) -> int:
        worker = os.fork()
        if worker == 0:
            _become_interpreter(prepared, request, session_id, streams)
        return worker

    disk_bytes = settings.disk_mb * MEMORY_UNIT
    look = functools.partial(traces.look, sockets) if settings.isolated else None
    served = supervisor.LocalSupervisor(control, folder, disk_bytes, prepared.host, start, look)
    served.serve(request.id, streams, wake)


def _take_identity(prepared: Prepared, uid: int) -> None:
    """Be the session's user for good; the real and effective ids are that already."""
    inside = uid
    if prepared.settings.isolated:
        inside = root.SESSION_ID
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self, with the maps, is root's
        kernel.write_id_maps(prepared.proc, inside, uid, uid)
    os.setresgid(inside, inside, inside)
    os.setresuid(inside, inside, inside)


def _give_up_rights(prepared: Prepared, folder: str) -> None:
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if prepared.readable:
        _restrict_files(prepared, folder)
    prepared.filter.install()


def _restrict_files(prepared: Prepared, folder: str) -> None:
    """Say once more what may be read and written, should a mount of the private root be wrong."""
    if prepared.settings.isolated:
        landlock.restrict(prepared.readable, ["/dev"], "/tmp", ["/"])
    else:
        devices = [f"/dev/{name}" for name in root.DEVICES]
        landlock.restrict(prepared.readable, devices, folder)


def _become_interpreter(
    prepared: Prepared, request: Request, session_id: bytes, streams: list[int]
) -> NoReturn:
    """Keep descriptors 0 to 3 only, set the limits, and run the code for ever."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        boss = os.getppid()
        for fd in request.entries:
            os.write(fd, b"0")  # join: 0 stands for whoever writes
        _keep_descriptors(*streams)
        for name, bounds in prepared.limits:
            resource.setrlimit(name, bounds)
        if not prepared.settings.isolated:
            _stay_alone(request.folder, boss)
        gc.freeze()  # else the first collection looks at all that the zygote made since
        gc.enable()
        prepared.worker.serve(session_id)
    finally:
        os._exit(interpreter.LOST_CHANNEL)


def _stay_alone(folder: str, supervisor_pid: int) -> None:
    """Without a pid namespace: die with the supervisor, and start no process that would not."""
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(0)
    os.environ.update(HOME=folder, TMPDIR=folder)
    seccomp.single_process_filter(os.getpid()).install()


def _keep_descriptors(data: int, out: int, err: int) -> None:
    # All of them lie above 3, where the zygote holds its own; 0 is /dev/null already.
    for target, fd in ((1, out), (2, err), (3, data)):
        os.dup2(fd, target, inheritable=target < 3)
    os.closerange(4, 65_536)
