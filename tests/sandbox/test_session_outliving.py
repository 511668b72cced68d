"""Sessions whose template made room for others: they work on, and their end leaves nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import agentgym_sandbox
from agentgym_sandbox import LocalSandbox, SandboxDead
from agentgym_sandbox.local import MAX_TEMPLATES
from agentgym_sandbox.session import LocalSession

FOLDER = str(Path(agentgym_sandbox.__file__).parent.parent)
BUSY = "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True)\nn"
OWNER = """
import time
from agentgym_sandbox import LocalSandbox
sandbox = LocalSandbox(warm=0)
session = sandbox.session(setup="n = 0")
for number in range(1, 9):
    sandbox.session(setup=f"n = {number}").close()
assert "n = 0" not in sandbox._templates
group = session.handles.group
print(*(group.folders if group else ()), flush=True)
time.sleep(600)
"""


def _of_owner(pid: int) -> list[int]:
    """Give the owner's zygotes and what was forked from them; the dead have no command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f'"host_pid": {pid},'.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _crowd_out(sandbox: LocalSandbox, setup: str) -> int:
    """Fill the templates until that of the set-up is gone; give the process id that it had."""
    process = sandbox._templates[setup].spawner.process
    for number in range(1, MAX_TEMPLATES + 1):
        sandbox.session(setup=f"n = -{number}").close()
    assert setup not in sandbox._templates
    assert process.returncode == 0
    return process.pid


def _is_reaped(pidfd: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def outliving(sandbox: LocalSandbox) -> Iterator[LocalSession]:
    with LocalSandbox(limits=sandbox.limits, warm=0) as other:
        session = other.session(setup="n = 0")
        _crowd_out(other, "n = 0")
        yield session


def test_outliving_session_keeps_its_state_and_files(outliving: LocalSession) -> None:
    assert outliving.execute(BUSY).result == "0"
    outliving.put("a", b"x")
    assert outliving.get("a") == b"x"
    assert outliving.execute("while True: pass", timeout_s=0.1).status == "timeout"
    assert outliving.execute("n").result == "0"


def test_outliving_session_leaves_nothing_when_it_closes(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=0) as other:
        other.session(setup="n = 0").close()
        _crowd_out(other, "n = 0")
        gc.collect()
        processes, descriptors = set(_of_owner(os.getpid())), len(os.listdir("/proc/self/fd"))
        session = other.session(setup="n = 1")
        assert session.execute(BUSY).result == "1"
        _crowd_out(other, "n = 1")
        folders = list(session.handles.group.folders) if session.handles.group else []
        session.close()
        left = set(_of_owner(os.getpid())) - processes
        # One template took the place of another: a zygote each, and no session.
        assert left <= {t.spawner.process.pid for t in other._templates.values()}
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert not any(map(os.path.exists, folders))
    assert not any(Path(f"/proc/{pid}").exists() for pid in left)


def test_outliving_session_ends_with_its_sandbox(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=0) as other:
        session = other.session(setup="n = 0")
        session.execute(BUSY)
        _crowd_out(other, "n = 0")
        folders = list(session.handles.group.folders) if session.handles.group else []
        pidfd = os.dup(session.handles.pidfd)
    with pytest.raises(SandboxDead):
        session.execute("1")
    assert _until(lambda: _is_reaped(pidfd))
    os.close(pidfd)
    assert not any(map(os.path.exists, folders))


def test_outliving_session_ends_with_its_killed_owner() -> None:
    for _ in range(5):  # whoever tidies up must not do so too early
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER],
            env={"PYTHONPATH": FOLDER},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert owner.stdout is not None
        folders = owner.stdout.readline().split()
        assert len(_of_owner(owner.pid)) == MAX_TEMPLATES + 2  # a supervisor, an interpreter
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
        assert _until(lambda pid=owner.pid: not _of_owner(pid))
        assert _until(lambda names=folders: not any(map(os.path.exists, names)))
