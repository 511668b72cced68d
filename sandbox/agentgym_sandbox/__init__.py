"""Run model-written Python in sessions that keep state and that it cannot leave.

A leaf on the standard library, to be audited alone; `README.md` beside it is the threat model.
"""

from __future__ import annotations

from agentgym_sandbox.base import (
    ExecResult,
    IsolationReport,
    Limits,
    PathRefused,
    Sandbox,
    SandboxDead,
    SandboxError,
    Session,
)
from agentgym_sandbox.docker import DockerSandbox
from agentgym_sandbox.local import LocalSandbox

__all__ = [
    "DockerSandbox",
    "ExecResult",
    "IsolationReport",
    "Limits",
    "LocalSandbox",
    "PathRefused",
    "Sandbox",
    "SandboxDead",
    "SandboxError",
    "Session",
]
