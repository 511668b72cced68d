"""The host's side of the zygote: start it, ask it for sessions, end it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from agentgym_sandbox import cgroup, wire
from agentgym_sandbox.base import Limits, SandboxError
from agentgym_sandbox.exchange import Handles

__all__ = [
    "ENVIRONMENT",
    "SESSION_WAIT_S",
    "Spawner",
    "await_interpreter",
    "open_streams",
    "set_non_blocking",
]

START_WAIT_S = 60.0  # preloading may be slow
SESSION_WAIT_S = 30.0
CHUNK = 65_536
WAY_OUT = (
    "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0), run as root outside a container, or accept "
    "weaker isolation with allow_unsafe=True"
)
# Makes the package without running its __init__, so that the zygote stays small and thread-free.
BOOT = """
import sys, types
package = types.ModuleType("agentgym_sandbox")
package.__path__ = [sys.argv[2]]
sys.modules["agentgym_sandbox"] = package
from agentgym_sandbox.zygote import main
main()
"""
ENVIRONMENT = {
    "HOME": "/tmp/work",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "TMPDIR": "/tmp",
    "USER": "sandbox",
    "MALLOC_ARENA_MAX": "2",  # each further arena reserves 64 MB of address space
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",  # the same code prints the same in every session
    "PYTHONUTF8": "1",
}

# Names are looked up at the start, not anew in every fork; sessions do not inherit it.
START_ONLY = {"LD_BIND_NOW": "1"}


class Spawner:
    """Owns the process that sessions are forked from; may be used from many threads.

    Args:
        tier: ``namespaces``, or ``process`` for one confined process a session.
        limits: What each session may use.
        preload: Modules to import before any session.
        setup: Code to run before any session.
        groups: Where sessions get control groups; None: they get none.

    Raises:
        SandboxError: If the process could not prepare itself.
    """

    def __init__(
        self,
        tier: str,
        limits: Limits,
        preload: tuple[str, ...],
        setup: str = "",
        groups: cgroup.Groups | None = None,
    ) -> None:
        self._tier = tier
        self._limits = limits
        self._groups = groups
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            settings = _settings(tier, limits, preload, setup, theirs.fileno())
            if groups is not None:
                settings["groups"] = groups.folders
                settings["group_prefix"] = cgroup.owner_prefix()
            self.process = _start(json.dumps(settings), theirs.fileno())
        self._await_ready()
        self._base_bytes = _resident_bytes(self.process.pid)

    @property
    def alive(self) -> bool:
        """Whether new sessions can be asked for."""
        return self.process.poll() is None

    def _await_ready(self) -> None:
        errors = self.process.stderr
        answer = self._line.recv(CHUNK) if _wait(self._line, START_WAIT_S) else b"E no answer"
        if answer == b"R" and errors:
            errors.close()
            return
        self.process.kill()
        text = answer[1:].decode() or (errors.read()[-2000:].decode() if errors else "")
        self.close()
        raise SandboxError(self._explained("cannot isolate sessions here", text.strip()))

    def start_session(self) -> Handles:
        """Ask for a session and wait until its interpreter says that it is ready.

        Raises:
            SandboxError: If it could not be made; nothing of it is left.
        """
        session_id = secrets.token_bytes(wire.ID_BYTES)
        deadline = time.monotonic() + SESSION_WAIT_S
        with contextlib.ExitStack() as undo:
            try:
                handles = self._ask(session_id, undo)
                handles.pidfd, trouble = _receive_pidfd(handles.control, deadline)
                trouble = trouble or await_interpreter(handles, session_id, deadline)
                if trouble:
                    raise SandboxError(self._explained("no session could be started", trouble))
                set_non_blocking(handles)
            except OSError as error:
                raise SandboxError(f"no session could be started: {error}") from error
            undo.pop_all()
        return handles

    def _ask(self, session_id: bytes, undo: contextlib.ExitStack) -> Handles:
        """Make the descriptors of a session and send its ends to the zygote."""
        folder = tempfile.mkdtemp(prefix="agentgym-") if self._tier == "process" else ""
        with contextlib.ExitStack() as theirs:
            control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.enter_context(their_control)
            (data, out, err), their_streams = open_streams(theirs)
            handles = Handles(control, data, out, err, -1, folder)
            undo.callback(handles.end)
            fds = [their_control.fileno(), *their_streams]
            handles.group = group = self._new_group()
            entries = group.entries if group else []
            socket.send_fds(self._line, [session_id + folder.encode()], [*fds, *entries])
            if group:
                group.close_entries()
        return handles

    def _new_group(self) -> cgroup.Group | None:
        if self._groups is None:
            return None
        alone = self._tier == "process"  # with a user namespace, a limit of the user counts
        return self._groups.make(self._limits, self._base_bytes, count_processes=alone)

    def _explained(self, what: str, reason: str) -> str:
        """Add the way out where it is the machine that refuses namespaces."""
        refused = reason.startswith(("OSError", "PermissionError")) and self._tier == "namespaces"
        return f"{what}: {reason}; {WAY_OUT}" if refused else f"{what}: {reason}"

    def close(self) -> None:
        """End the process; sessions that are left end with their own descriptors."""
        with contextlib.suppress(OSError):
            self._line.send(wire.GOOD_BYE, socket.MSG_DONTWAIT)
        self._line.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def _start(settings: str, line_fd: int) -> subprocess.Popen[bytes]:
    interpreter = os.path.realpath(sys.executable)
    return subprocess.Popen(
        [interpreter, "-s", "-S", "-P", "-c", BOOT, settings, str(Path(__file__).parent)],
        pass_fds=[line_fd],
        env=ENVIRONMENT | START_ONLY,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def open_streams(theirs: contextlib.ExitStack) -> tuple[tuple[socket.socket, int, int], list[int]]:
    """Make the data line and the two pipes of a session.

    Args:
        theirs: Closes the ends that are not ours.

    Returns:
        Our ends: data, stdout, stderr; and the others in the same order.
    """
    data, their_data = socket.socketpair()
    theirs.enter_context(their_data)
    pipes: list[tuple[int, int]] = []
    with contextlib.ExitStack() as ours:
        for _ in ("stdout", "stderr"):
            reading, writing = os.pipe()
            theirs.callback(os.close, writing)
            ours.callback(os.close, reading)
            pipes.append((reading, writing))
        ours.pop_all()
    (out, their_out), (err, their_err) = pipes
    return (data, out, err), [their_data.fileno(), their_out, their_err]


def set_non_blocking(handles: Handles) -> None:
    """Make reads and writes give up rather than wait."""
    for line in (handles.control, handles.data):
        line.setblocking(False)
    for fd in (handles.out, handles.err):
        os.set_blocking(fd, False)


def _resident_bytes(pid: int) -> int:
    """Give the memory of a process: what its forks may have to copy when they write to it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wait(line: socket.socket, seconds: float) -> bool:
    poller = select.poll()
    poller.register(line, select.POLLIN)
    return bool(poller.poll(max(0.0, seconds) * 1000))


def _receive_pidfd(control: socket.socket, deadline: float) -> tuple[int, str]:
    """Wait for the zygote's word; give the pidfd, or -1 and what went wrong."""
    if not _wait(control, deadline - time.monotonic()):
        return -1, f"none within {SESSION_WAIT_S:g} s; the machine is overloaded"
    message, fds, _, _ = socket.recv_fds(control, CHUNK, 1)
    if message[:1] == b"S" and fds:
        return fds[0], ""
    return -1, message[1:].decode() or "the process that sessions are forked from has ended"


def await_interpreter(handles: Handles, session_id: bytes, deadline: float) -> str:
    """Wait until the interpreter is ready; give what went wrong, or nothing."""
    poller = select.poll()
    for line in (handles.control, handles.data):
        poller.register(line, select.POLLIN)
    expected = wire.pack(session_id, wire.READY)
    ready = {fd for fd, _ in poller.poll(max(0.0, deadline - time.monotonic()) * 1000)}
    if handles.data.fileno() in ready and handles.data.recv(len(expected)) == expected:
        return ""
    message = handles.control.recv(CHUNK) if _wait(handles.control, 1.0) else b""
    return message[1:].decode("utf-8", "replace") or "its interpreter did not answer"


def _settings(
    tier: str, limits: Limits, preload: tuple[str, ...], setup: str, fd: int
) -> dict[str, object]:
    packages = _package_folders()
    wanted = any(name.partition(".")[0] not in sys.stdlib_module_names for name in preload)
    shown = packages if wanted else []
    stdlib = sysconfig.get_path("stdlib")
    hidden = [f"{stdlib}/site-packages", f"{stdlib}/dist-packages"]
    hidden.append("/usr/lib/python3/dist-packages")
    for_host_alone = {"grace_s", "flood_bytes"}
    return {
        "tier": tier,
        "host_pid": os.getpid(),
        "socket_fd": fd,
        "preload": preload,
        "setup": setup,
        "trees": [*_interpreter_folders(), *shown],
        "masks": [path for path in hidden if path not in shown],
        "packages": shown,
        **{k: v for k, v in asdict(limits).items() if k not in for_host_alone},
    }


def _interpreter_folders() -> list[str]:
    base = Path(sys.base_prefix)
    folders = [base / name for name in ("bin", "lib", "lib64")]
    return [str(path) for path in folders if path.is_dir()]


def _package_folders() -> list[str]:
    names = ("site-packages", "dist-packages")
    return [path for path in sys.path if Path(path).name in names and Path(path).is_dir()]
