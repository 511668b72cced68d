"""One sandbox for all tests of a module, a fresh session for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentgym_sandbox import Limits, LocalSandbox, SandboxError
from agentgym_sandbox.session import LocalSession

SMALL = Limits(
    memory_mb=128,
    disk_mb=8,
    pids=16,
    output_bytes=4096,
    flood_bytes=16 * 2**20,
    inodes=256,
    grace_s=0.3,
)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalSandbox]:
    try:
        sandbox = LocalSandbox(limits=SMALL)
    except SandboxError as error:
        pytest.skip(f"no isolation on this machine: {error}")
    with sandbox:
        yield sandbox


@pytest.fixture
def session(sandbox: LocalSandbox) -> Iterator[LocalSession]:
    with sandbox.session() as session:
        yield session
