"""The embedded default backend: namespaces, no service, no root needed."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal

from agentgym_sandbox import cgroup, checks, seccomp
from agentgym_sandbox.base import IsolationReport, Limits, Sandbox, SandboxError
from agentgym_sandbox.session import LocalSession
from agentgym_sandbox.spawner import SESSION_WAIT_S
from agentgym_sandbox.template import Template

__all__ = ["LocalSandbox"]

OPEN_FILES = 65_536
MAX_TEMPLATES = 8  # each is a process of about 10 MB
NO_GROUPS = "memory is limited per process, not per session"
Tier = Literal["namespaces", "process"]
NOTES: dict[Tier, tuple[str, ...]] = {
    "namespaces": (),
    "process": (
        "one process, no child processes, no sockets",
        "names of the host's files can be asked for, their contents cannot",
        "disk is limited per file, not in all",
    ),
}


class LocalSandbox(Sandbox):
    """Makes sessions by forking a clean, warmed-up process; may be used from many threads.

    Args:
        limits: What each session may use.
        preload: Modules to import once, before any session; trusted code. Other packages than
            the standard library are visible to sessions only if one of them is named here.
        require: ``"namespaces"`` says that nothing weaker will do, whatever `allow_unsafe` says.
        warm: Sessions to keep ready once the first was asked for; each is leased once.
        allow_unsafe: Where namespaces are not to be had, run each session as one process confined
            by Landlock and seccomp; `report()` says so.

    Raises:
        SandboxError: If sessions cannot be isolated here; the text says why and the way out.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        preload: Iterable[str] = (),
        require: Literal["namespaces"] | None = None,
        allow_unsafe: bool = False,
        warm: int = 2,
    ) -> None:
        if require not in (None, "namespaces"):
            raise ValueError(f"require is {require!r}; it can be 'namespaces' or None")
        _refuse_platform()
        _raise_open_files()
        self.limits = limits or Limits()
        self.preload = tuple(preload)
        self._warm = warm
        self._gate = threading.Lock()
        self._sessions: set[LocalSession] = set()
        self._closed = False
        self._owner = os.getpid()
        self._templates: OrderedDict[str, Template] = OrderedDict()
        self._groups, self._without = cgroup.find()
        if self._groups is not None:
            cgroup.sweep(self._groups)
        weaker = allow_unsafe and require is None
        self.tier, self._templates[""], self._notes = self._strongest(weaker=weaker)

    def session(self, *, setup: str = "") -> LocalSession:
        """Start a fresh session, which the caller closes.

        Args:
            setup: Code that has run before; it runs once, in a template that sessions of the same
                set-up are forked from. Trusted like `preload`: it is not yet isolated.
        """
        if os.getpid() != self._owner:
            raise SandboxError("this sandbox belongs to the process that made it; make one here")
        template = self._template(setup)
        session = LocalSession(template.pool.lease(), self.limits, self._forget, template.take_back)
        with self._gate:
            if not self._closed:
                self._sessions.add(session)
                return session
        session.close()
        raise SandboxError("the sandbox was closed while a session started")

    def _template(self, setup: str) -> Template:
        """Find or make the template of a set-up; the least used one makes room."""
        excess = None
        with self._gate:
            if self._closed:
                raise SandboxError("the sandbox is closed; make a new one")
            if setup not in self._templates:
                self._templates[setup] = self._new_template(self.tier, setup)
                if len(self._templates) > MAX_TEMPLATES:
                    excess = self._templates.pop(next(name for name in self._templates if name))
            self._templates.move_to_end(setup)
            found = self._templates[setup]
        if excess is not None:
            excess.close()
        return found

    def _new_template(self, tier: str, setup: str) -> Template:
        return Template(tier, self.limits, self.preload, setup, self._groups, warm=self._warm)

    def report(self) -> IsolationReport:
        """Say what is really in force, by probes in a real session."""
        with self.session() as session:
            found = checks.probe(session)
            if self._groups is not None:
                found["session_memory_limit"] = session.handles.in_group()
            return IsolationReport("local", self.tier, found, self._notes)

    def close(self) -> None:
        """End every session and the process that they are forked from; may be called twice."""
        if os.getpid() != self._owner:
            return  # a forked copy of the host does not own the sessions
        with self._gate:
            self._closed = True
            sessions = list(self._sessions)
            templates = list(self._templates.values())
        for session in sessions:
            session.handles.kill()
        for session in sessions:
            session.close()
        for template in templates:
            template.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # the constructor raised
            self.close()

    def _strongest(self, *, weaker: bool) -> tuple[Tier, Template, tuple[str, ...]]:
        """Start in the strongest tier that passes its proof."""
        try:
            template = self._limited("namespaces")
            return "namespaces", template, self._weaknesses("namespaces")
        except SandboxError as error:
            if not weaker:
                raise
            reason = f"no namespaces: {error}"
        template = self._limited("process")
        return "process", template, (reason, *self._weaknesses("process"))

    def _weaknesses(self, tier: Tier) -> tuple[str, ...]:
        notes = NOTES[tier]
        if self._groups is None:
            notes = (*notes, f"{NO_GROUPS}: {self._without}")
        if tier == "process" and not (self._groups and self._groups.pids):
            notes = (*notes, "threads are limited by their address space only")
        return notes

    def _limited(self, tier: Tier) -> Template:
        """Start with control groups; without them where a session cannot enter its own."""
        try:
            return self._proven(tier)
        except SandboxError as error:
            if self._groups is None:
                raise
            groups, self._groups = self._groups, None
            template = self._restored(tier, groups)
            self._without = f"no session can enter a control group: {error}"
        return template

    def _restored(self, tier: Tier, groups: cgroup.Groups) -> Template:
        try:
            return self._proven(tier)
        except SandboxError:
            self._groups = groups  # they were not what was wrong
            raise

    def _proven(self, tier: Tier) -> Template:
        """Run the whole sequence once: a part of it may be allowed where the rest is not."""
        template = self._new_template(tier, "")
        try:
            session = LocalSession(template.start(), self.limits, lambda _: None)
            with session:
                result = session.execute("6 * 7", timeout_s=SESSION_WAIT_S)
            if result.result != "42":
                raise SandboxError(f"a first session answered {result!r}")
        except BaseException:
            template.close()
            raise
        return template

    def _forget(self, session: LocalSession) -> None:
        with self._gate:
            self._sessions.discard(session)


def _refuse_platform() -> None:
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"no isolation on {sys.platform}; run on Linux, or in a Linux container")
    if not seccomp.supported():
        machine = os.uname().machine
        raise SandboxError(f"no system call filter for {machine} yet; run on x86_64")


def _raise_open_files() -> None:
    """Raise the soft limit: a session costs five descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
