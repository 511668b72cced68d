"""The same contract on a Docker engine: a container a session, leased once, removed at its end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgym_sandbox import checks, wire
from agentgym_sandbox.base import IsolationReport, Limits, Sandbox, SandboxError
from agentgym_sandbox.engine import Engine, EngineError
from agentgym_sandbox.exchange import Handles, readable
from agentgym_sandbox.pool import Pool
from agentgym_sandbox.relay import Relay
from agentgym_sandbox.session import LocalSession
from agentgym_sandbox.spawner import ENVIRONMENT, await_interpreter, set_non_blocking

__all__ = ["IMAGE", "DockerSandbox", "sweep"]

IMAGE = "agentgym-sandbox:latest"
LABEL, ID_LABEL = "agentgym.sandbox.owner", "agentgym.sandbox.id"
START_WAIT_S = 60.0
REMOVAL_WAIT_S = 30.0
AT_A_TIME = 4  # more creations at once make an engine slower for all
OWN_MB = 64  # of the interpreter and its supervisor, beside what the code may use
OWN_PIDS = 2
MEGABYTE = 1024 * 1024
PRIVATE_IDS = range(61_184, 65_519)
# In the order in which they import each other; sent at the start, so that any image with Python
# 3.11 will do, and what runs in it is always of our version.
MODULES = (
    "wire", "muxer", "kernel", "kills", "landlock", "root", "traces", "seccomp", "interpreter",
    "supervisor", "launch", "container",
)  # fmt: skip
LOADER = """
import os, json, sys, types
def take(size):
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece: os._exit(0)
        data += piece
    return data
boot = json.loads(take(int.from_bytes(take(4), "big")))
sys.modules["agentgym_sandbox"] = package = types.ModuleType("agentgym_sandbox")
package.__path__ = []
for name, source in boot["modules"]:
    full = "agentgym_sandbox." + name
    sys.modules[full] = module = types.ModuleType(full)
    module.__file__ = f"<{full}>"
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    setattr(package, name, module)
package.container.main(boot["settings"])
"""
NOTES = (
    "no user namespace, unless the engine remaps users itself",
    "/proc and /sys are the engine's, with its masks",
)


@dataclass(slots=True)
class _Container(Handles):
    """A session whose processes live in a container."""

    engine: Engine | None = None
    id: str = ""
    relay: Relay | None = None

    def out_of_memory(self) -> bool:
        """Say whether the container's kernel has killed anything in there for want of memory."""
        return self.relay is not None and self.relay.starved

    def kill(self) -> None:
        """End the container's line; its first process then ends, and all others with it."""
        if self.relay is not None:
            with contextlib.suppress(OSError):
                self.relay.line.shutdown(socket.SHUT_RDWR)

    def wait_gone(self, seconds: float) -> bool:
        """Kill what is left and remove the container."""
        if self.engine is None:
            return True
        end = time.monotonic() + max(seconds, REMOVAL_WAIT_S)
        while time.monotonic() < end:
            try:
                self.engine.remove(self.id)
            except EngineError as error:
                if error.status == 404:
                    return True
                time.sleep(0.005)  # 409: its removal is in progress
            except SandboxError:
                return False
        return False


class DockerSandbox(Sandbox):
    """Makes sessions in containers without network, rights or a writable root.

    Args:
        image: Any with ``python3`` of 3.11 or newer; `images.build_image` makes one.
        limits: What each session may use.
        preload: Modules to import in each container before its session; trusted code.
        runtime: The engine's runtime, as ``"runsc"`` for gVisor; by default the engine's own.
        cpus: Processors that a session may use.
        warm: Containers to keep ready once the first was asked for; each is leased once.
        address: The engine, by default ``DOCKER_HOST`` or the usual socket.

    Raises:
        SandboxError: If no engine answers, or no session can be started there.
    """

    def __init__(
        self,
        image: str = IMAGE,
        *,
        limits: Limits | None = None,
        preload: Iterable[str] = (),
        runtime: str | None = None,
        cpus: float = 1.0,
        warm: int = 2,
        address: str | None = None,
    ) -> None:
        self.image, self.runtime, self.cpus = image, runtime, cpus
        self.limits = limits or Limits()
        self.preload = tuple(preload)
        self._engine = Engine(address)
        self._owner = os.getpid()
        self._owner_label = _owner_name(self._owner)
        self._id = secrets.token_hex(8)
        self._gate = threading.Lock()
        self._turns = threading.BoundedSemaphore(AT_A_TIME)
        self._sessions: set[LocalSession] = set()
        self._closed = False
        self._boot = [(name, _source(name)) for name in MODULES]
        sweep(self._engine)
        self._require_image()
        self._pool = Pool(self._start, _is_fit, Handles.end, size=warm, makers=min(warm, AT_A_TIME))

    def session(self, *, setup: str = "") -> LocalSession:
        """Start a fresh session, which the caller closes.

        Args:
            setup: Code to run first; it runs in each session anew, confined like all other code.
        """
        if os.getpid() != self._owner:
            raise SandboxError("this sandbox belongs to the process that made it; make one here")
        if self._closed:
            raise SandboxError("the sandbox is closed; make a new one")
        session = LocalSession(self._pool.lease(), self.limits, self._forget)
        with self._gate:
            if not self._closed:
                self._sessions.add(session)
        if self._closed:
            session.close()
            raise SandboxError("the sandbox was closed while a session started")
        if setup:
            _run_setup(session, setup)
        return session

    def report(self) -> IsolationReport:
        """Say what is really in force, by probes in a real session."""
        with self.session() as session:
            tier = self.runtime or "container"
            return IsolationReport("docker", tier, checks.probe(session, contained=True), NOTES)

    def close(self) -> None:
        """Remove every container; may be called twice."""
        if os.getpid() != self._owner:
            return
        with self._gate:
            self._closed = True
            sessions = list(self._sessions)
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            list(threads.map(LocalSession.close, sessions))
        self._pool.close()
        self._engine.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # the constructor raised
            self.close()

    def _forget(self, session: LocalSession) -> None:
        with self._gate:
            self._sessions.discard(session)

    def _require_image(self) -> None:
        if not self._engine.image_id(self.image):
            way_out = (
                "make it with agentgym_sandbox.images.build_image(), or name one that is there"
            )
            raise SandboxError(f"no image {self.image!r} on the Docker engine; {way_out}")

    def _start(self) -> Handles:
        with self._turns, contextlib.ExitStack() as undo:
            if self._closed:
                raise SandboxError("the sandbox is closed; make a new one")
            made = self._engine.create(self._description())
            container = _Container(*_no_ends(), engine=self._engine, id=made)
            undo.callback(container.wait_gone, 0.0)
            relay = Relay(self._engine.attach(container.id))
            container.relay = relay
            container.control, container.data = relay.control, relay.data
            container.out, container.err = relay.out, relay.err
            undo.callback(container.end)
            self._engine.start(container.id)
            session_id = secrets.token_bytes(wire.ID_BYTES)
            relay.line.sendall(self._boot_message(session_id))
            relay.start()
            trouble = await_interpreter(container, session_id, time.monotonic() + START_WAIT_S)
            if trouble:
                said = relay.errors.decode("utf-8", "replace").strip()
                raise SandboxError(f"no session could be started: {trouble} {said}".rstrip())
            set_non_blocking(container)
            undo.pop_all()
        return container

    def _boot_message(self, session_id: bytes) -> bytes:
        limits = self.limits
        settings = {
            "id": session_id.hex(),
            "environment": ENVIRONMENT,
            "tier": "container",
            "host_pid": 0,
            "socket_fd": 0,
            "preload": self.preload,
            "setup": "",
            "trees": (),
            "masks": (),
            "packages": (),
            "memory_mb": limits.memory_mb,
            "disk_mb": limits.disk_mb,
            "pids": limits.pids,
            "output_bytes": limits.output_bytes,
            "open_files": limits.open_files,
            "inodes": limits.inodes,
            "cpu_s": limits.cpu_s,
        }
        boot = json.dumps({"modules": self._boot, "settings": settings}).encode()
        return len(boot).to_bytes(4) + boot

    def _description(self) -> dict[str, Any]:
        limits, user = self.limits, random.choice(PRIVATE_IDS)
        memory = (limits.memory_mb + limits.disk_mb + OWN_MB) * MEGABYTE
        tmpfs = f"rw,nosuid,nodev,size={limits.disk_mb}m,nr_inodes={limits.inodes}"
        host = {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "IpcMode": "none",
            "PidsLimit": limits.pids + OWN_PIDS,
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": int(self.cpus * 1e9),
            "Tmpfs": {"/tmp": f"{tmpfs},mode=755,uid={user},gid={user}"},
            "LogConfig": {"Type": "none"},
            "AutoRemove": True,
            "OomScoreAdj": 900,  # the interpreter raises its own to the utmost
            **({"Runtime": self.runtime} if self.runtime else {}),
        }
        return {
            "Image": self.image,
            "Entrypoint": ["python3", "-B", "-s", "-P", "-c", LOADER],
            "Cmd": [],
            "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
            "User": f"{user}:{user}",
            "WorkingDir": "/tmp",
            "Hostname": "sandbox",
            "Labels": {LABEL: self._owner_label, ID_LABEL: self._id},
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "OpenStdin": True,
            "StdinOnce": True,
            "Tty": False,
            "NetworkDisabled": True,
            "HostConfig": host,
        }


def _run_setup(session: LocalSession, setup: str) -> None:
    result = session.execute(setup, timeout_s=START_WAIT_S)
    if result.status != "ok":
        session.close()
        raise SandboxError(f"the set-up code failed: {result.exception or result.detail}")


def sweep(engine: Engine) -> int:
    """Remove the containers that dead owners on this machine have left; say how many."""
    removed = 0
    for found in engine.containers(LABEL):
        if _is_orphan(found["Labels"][LABEL]):
            with contextlib.suppress(EngineError):
                engine.remove(found["Id"])
                removed += 1
    return removed


def _owner_name(pid: int) -> str:
    """Name a process for good: its number may be used again, with its start time it is not."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{os.readlink('/proc/self/ns/pid')}.{pid}.{_start_time(pid)}"


def _start_time(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"


def _is_orphan(owner: str) -> bool:
    """Whether the owner was a process of this machine and has ended; of others we cannot know."""
    machine, _, started = owner.rpartition(".")
    machine, _, pid = machine.rpartition(".")
    if not pid.isdigit() or machine != _owner_name(os.getpid()).rsplit(".", 2)[0]:
        return False
    return _start_time(int(pid)) != started


def _source(name: str) -> str:
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")


def _no_ends() -> tuple[socket.socket, socket.socket, int, int, int]:
    """Stand for the descriptors until they are there."""
    return socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), -1, -1, -1


def _is_fit(handles: Handles) -> bool:
    return not readable(handles.control)
