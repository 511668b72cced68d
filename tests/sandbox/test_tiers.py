"""Which tier is taken: as another user, and where user namespaces are forbidden."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import agentgym_sandbox
from agentgym_sandbox import LocalSandbox, landlock, launch, zygote

FOLDER = str(Path(agentgym_sandbox.__file__).parent.parent)
NO_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1"'

REPORT = """
from agentgym_sandbox import LocalSandbox
with LocalSandbox() as sandbox, sandbox.session() as session:
    assert session.execute("6 * 7").result == "42"
    print(sandbox.report().tier, sandbox.report().missing)
"""
REFUSED = """
from agentgym_sandbox import LocalSandbox, SandboxError
for settings in ({}, {"require": "namespaces", "allow_unsafe": True}):
    try:
        LocalSandbox(**settings)
    except SandboxError as error:
        print("unshare" in str(error), "allow user namespaces" in str(error))
"""
WEAKER = """
from agentgym_sandbox import Limits, LocalSandbox
with LocalSandbox(allow_unsafe=True, limits=Limits(grace_s=0.2)) as sandbox:
    print(sandbox.report().tier, "user_namespace" in sandbox.report().missing)
    with sandbox.session() as session:
        session.put("a/b", b"x")
        print(session.get("a/b"), session.execute("6 * 7").result)
    for code in (
        "open('/etc/passwd')",
        "open('/proc/self/maps')",
        "import os\\nos.listdir('/')",
        "import os\\nos.fork()",
        "import subprocess\\nsubprocess.run(['true'])",
        "import socket\\nsocket.socket()",
        "import os\\nos.kill(os.getppid(), 0)",
        "import os\\nos.chmod('/tmp', 0o777)",
        "import os\\nos.truncate('/etc/passwd', 0)",
    ):
        with sandbox.session() as session:
            print((session.execute(code).exception or "none").splitlines()[-1].split(":")[0])
    with sandbox.session() as session:
        code = "import signal\\nsignal.signal(2, signal.SIG_IGN)\\nwhile True: pass"
        print(session.execute(code, timeout_s=0.2).status)
"""


def _without_namespaces(code: str) -> list[str]:
    """Run code in a user namespace that may make no further one."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare program")
    command = ["unshare", "-U", "-r", "sh", "-c", NO_NAMESPACES, sys.executable, code]
    environment = {"PYTHONPATH": FOLDER}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "unshare:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_plain_user_gets_namespaces(sandbox: LocalSandbox) -> None:
    if os.geteuid() != 0:
        assert sandbox.tier == "namespaces"
        return
    python = shutil.which("python3", path="/usr/bin")
    if not python or _as_another_user(python, "import agentgym_sandbox").returncode:
        pytest.skip("another user cannot run a Python 3.11 here, or not read this package")
    done = _as_another_user(python, REPORT)
    assert done.stdout == "namespaces ()\n", done.stderr


def _as_another_user(python: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", code],
        env={"PYTHONPATH": FOLDER},
        cwd="/",
        user=54_321,
        group=54_321,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_namespaces_it_refuses_and_says_the_way_out() -> None:
    assert _without_namespaces(REFUSED) == ["True True"] * 2


def test_without_namespaces_the_weaker_tier_is_stated_and_holds() -> None:
    assert _without_namespaces(WEAKER) == [
        "process True",
        "b'x' 42",
        *["PermissionError"] * 9,
        "timeout",
    ]


def test_weaker_tier_is_not_taken_where_namespaces_work(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, allow_unsafe=True) as other:
        assert other.tier == sandbox.tier == "namespaces"


def test_require_refuses_an_unknown_tier() -> None:
    with pytest.raises(ValueError, match="'docker'"):
        LocalSandbox(require="docker")  # type: ignore[arg-type]


SETTINGS = launch.Settings(
    tier="namespaces", host_pid=0, socket_fd=0, preload=(), setup="", trees=(), masks=(),
    packages=(), memory_mb=1, disk_mb=1, pids=1, output_bytes=1, open_files=1, inodes=1, cpu_s=1,
)  # fmt: skip


def test_namespaces_do_without_landlock_and_one_process_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "/usr/lib" in zygote._readable(SETTINGS)
    monkeypatch.setattr(landlock, "version", lambda: 2)  # it could not hold a truncation
    assert zygote._readable(SETTINGS) == ()
    with pytest.raises(RuntimeError, match="Landlock ABI 2, 3 is needed"):
        zygote._readable(replace(SETTINGS, tier="process"))
