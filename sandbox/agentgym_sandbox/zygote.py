"""The clean process that sessions are forked from: single-threaded, warmed up, inside the root.

    host ──socket──► zygote ──clone──► supervisor (pid 1) ──fork──► interpreter
                        │              new namespaces, ids,          rlimits,
                        │              work folder, filters          hostile code
                        └─ hands the host a pidfd of the supervisor

It is started as a new program and never as a fork of the host, whose threads, memory and
descriptors it must not carry.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from agentgym_sandbox import interpreter, kernel, landlock, launch, network, root, seccomp, wire

__all__ = ["main"]

PR_SET_CHILD_SUBREAPER = 36
# Far from any real account; 61184 and up is what a container with 65536 ids has left.
PRIVATE_IDS, SMALL_PRIVATE_IDS = range(1_634_140_160, 1_634_205_696), range(61_184, 65_519)
MEMORY_UNIT = 1024 * 1024
ID_BYTES = 16
MAX_FDS = launch.INITIAL_FDS + 2  # and the entries of two control groups
LAST_WAIT_S = 30
TIDY_PAUSE_S = 0.02


@dataclass(slots=True)
class _Zygote:
    prepared: launch.Prepared
    line: socket.socket
    ids: range | None  # None: no root here, every session has our own user id
    networks: network.Networks
    sessions: int = 0


def main() -> None:
    """Prepare, say so, then fork a session for each message until the host ends."""
    raw: dict[str, Any] = json.loads(sys.argv[1])
    settings = launch.Settings(**raw)
    line = socket.socket(fileno=settings.socket_fd)
    try:
        zygote = _prepare(settings, line)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the host raises it, with the text
        line.send(f"E{type(error).__name__}: {error}".encode()[:60_000])
        return
    line.send(b"R")
    if not _serve(zygote):
        _clear_groups(zygote.prepared)


def _prepare(settings: launch.Settings, line: socket.socket) -> _Zygote:
    host = os.pidfd_open(settings.host_pid)
    if os.getppid() != settings.host_pid:
        os._exit(0)  # the host died while we started
    kernel.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    groups = tuple(os.open(folder, os.O_RDONLY | os.O_CLOEXEC) for folder in settings.groups)
    sys.path.extend(settings.packages)
    for name in settings.preload:
        importlib.import_module(name)
    ids = _private_ids(proc)
    if settings.isolated:
        _enter_root(settings, proc, ids)
    readable = _readable(settings)
    if ids is not None:
        os.setgroups([])
    os.environ.pop("LD_BIND_NOW", None)
    sys.path.insert(0, "")  # the work folder, once a session is in it
    worker = _make_interpreter(settings)
    _require_one_thread(proc)
    worker.memory_bytes = _address_space(proc) + settings.memory_mb * MEMORY_UNIT
    prepared = launch.Prepared(
        settings,
        line.fileno(),
        proc,
        host,
        _wake_on_child(),
        seccomp.session_filter(),
        launch.process_limits(settings),
        worker,
        groups,
        readable,
    )
    for name in [name for name in sys.modules if name.startswith("agentgym_sandbox")]:
        del sys.modules[name]  # sessions need not find the harness
    gc.disable()  # a collection in a fork would touch, and so copy, every object
    gc.collect()
    gc.freeze()
    return _Zygote(prepared, line, ids, network.Networks(proc))


def _readable(settings: launch.Settings) -> tuple[str, ...]:
    """Choose what Landlock lets sessions read; namespaces can do without it, one process cannot."""
    found = landlock.version()
    if found < landlock.MINIMUM_ABI:
        if settings.isolated:
            return ()
        raise RuntimeError(f"Landlock ABI {found}, {landlock.MINIMUM_ABI} is needed")
    own = ("/etc",) if settings.isolated else ()  # of the private root
    return root.shown((*root.VISIBLE, *settings.trees, *own))


def _make_interpreter(settings: launch.Settings) -> interpreter.Interpreter:
    """Make the object that every session's interpreter is a copy of, on pipes as it will have."""
    null = os.open("/dev/null", os.O_WRONLY)
    reading, writing = os.pipe()
    for fd in (1, 2):
        os.dup2(writing, fd)
    worker = interpreter.Interpreter(3, settings.output_bytes)
    for fd in (1, 2):
        os.dup2(null, fd)
    for fd in (null, reading, writing):
        os.close(fd)
    worker.warm_up()
    if settings.setup:
        worker.set_up(settings.setup)
    return worker


def _read(proc: int, name: str) -> str:
    fd = os.open(f"self/{name}", os.O_RDONLY, dir_fd=proc)
    with open(fd, encoding="utf-8") as file:
        return file.read()


def _require_one_thread(proc: int) -> None:
    threads = int(_read(proc, "stat").rpartition(")")[2].split()[17])
    if threads != 1:
        raise RuntimeError(f"preloaded modules or set-up code left {threads - 1} threads running")


def _address_space(proc: int) -> int:
    return int(_read(proc, "statm").split()[0]) * resource.getpagesize()


def _private_ids(proc: int) -> range | None:
    """Choose user ids that nobody else has; only root can take them on."""
    if os.geteuid() != 0:
        return None
    mapped = [line.split() for line in _read(proc, "uid_map").splitlines()]
    for ids in (PRIVATE_IDS, SMALL_PRIVATE_IDS):
        if any(int(a) <= ids[0] and ids[-1] < int(a) + int(n) for a, _, n in mapped):
            return ids
    return None  # root of a namespace without spare ids is as good as a plain user


def _enter_root(settings: launch.Settings, proc: int, ids: range | None) -> None:
    shared = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    if ids is None:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | shared)
        kernel.write_id_maps(proc, root.SESSION_ID, uid, gid)
    else:
        kernel.unshare(shared)
    socket.sethostname("sandbox")
    root.build(settings.trees, settings.masks)


def _serve(zygote: _Zygote) -> bool:
    """Do what the host asks; true if it has said good-bye, false if it is dead or dying."""
    poller = select.poll()
    line, host, wake = zygote.prepared.line, zygote.prepared.host, zygote.prepared.wake[0]
    for fd in (line, host, wake):
        poller.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poller.poll()]
        if host in ready:
            return False
        if wake in ready:
            os.read(wake, 4096)
            _reap_all(zygote)
        if line in ready:
            message, fds, _, _ = socket.recv_fds(zygote.line, 8192, MAX_FDS)
            if message in (b"", wire.GOOD_BYE):
                return bool(message)
            _accept(zygote, message, fds)


def _wake_on_child() -> tuple[int, int]:
    """Give a pipe that becomes readable whenever a child ends."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading, writing


def _reap_all(zygote: _Zygote) -> None:
    try:
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            zygote.networks.give_back(pid)
    except ChildProcessError:
        return


def _clear_groups(prepared: launch.Prepared) -> None:
    """Once the host is dead: wait for all sessions to end, as they do by themselves, and tidy."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LAST_WAIT_S)
    select.select([prepared.host], [], [])
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    for folder in prepared.groups:
        while _busy(folder, prepared.settings.group_prefix):
            time.sleep(TIDY_PAUSE_S)


def _busy(folder: int, prefix: str) -> bool:
    """Remove the host's groups; true if one has a session, of another zygote, that still ends."""
    busy = False
    for name in os.listdir(folder):
        if name.startswith(prefix):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:  # else another zygote was quicker
                busy = busy or error.errno == errno.EBUSY
    return busy


def _accept(zygote: _Zygote, message: bytes, fds: list[int]) -> None:
    zygote.sessions += 1
    first, entries = fds[: launch.INITIAL_FDS], fds[launch.INITIAL_FDS :]
    session_id, folder = message[:ID_BYTES], message[ID_BYTES:].decode()
    try:
        if len(first) == launch.INITIAL_FDS:
            _start(zygote, launch.Request(session_id, folder, first, entries))
    except (OSError, RuntimeError) as error:  # no more processes: later sessions may start
        launch.report(fds[0], error)
    finally:
        for fd in fds:
            os.close(fd)


def _start(zygote: _Zygote, request: launch.Request) -> None:
    """Clone a session and send its pidfd to the host; a child that fails says so itself."""
    isolated = zygote.prepared.settings.isolated
    if isolated:
        zygote.networks.enter_unused()
    flags = launch.NAMESPACES if isolated else 0
    if zygote.ids is None:
        uid = root.SESSION_ID if isolated else os.getuid()
        pid, pidfd = kernel.clone(flags)
    else:
        uid = zygote.ids[zygote.sessions % len(zygote.ids)]
        if request.folder:
            os.chown(request.folder, uid, uid)
        pid, pidfd = _clone_as(uid, flags)
    if pid == 0:
        launch.become_session(zygote.prepared, request, uid)
    if isolated:
        zygote.networks.lend(pid)
    _send_pidfd(request.fds[0], pidfd)


def _clone_as(uid: int, flags: int) -> tuple[int, int]:
    """Clone as another user, who then owns the new namespaces; only the child stays that user."""
    os.setresgid(uid, uid, 0)
    os.setresuid(uid, uid, 0)
    pid = -1
    try:
        pid, pidfd = kernel.clone(flags)
    finally:
        if pid != 0:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
    return pid, pidfd


def _send_pidfd(control: int, pidfd: int) -> None:
    """Hand over a handle of the supervisor; its number cannot be reused until we reap it."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=control)
    try:
        socket.send_fds(line, [b"S"], [pidfd])
    except OSError:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # the host has already gone
    finally:
        line.detach()
        os.close(pidfd)
