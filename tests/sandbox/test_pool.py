"""Warm sessions: fresh, leased once, none left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from agentgym_sandbox import LocalSandbox, SandboxError
from agentgym_sandbox.pool import Pool


def _until(condition: object, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def test_pool_makes_nothing_before_the_first_lease() -> None:
    made: list[int] = []
    pool = Pool(lambda: made.append(1) or 1, lambda _: True, lambda _: None, size=2)
    pool.close()
    assert made == []


def test_pool_gives_each_thing_once_and_refills() -> None:
    numbers = iter(range(100))
    pool = Pool(lambda: next(numbers), lambda _: True, lambda _: None, size=2)
    given = []
    for _ in range(5):
        given.append(pool.lease())
        assert _until(lambda: len(pool._ready) == 2)
    pool.close()
    assert len(set(given)) == 5


def test_pool_drops_what_is_no_longer_fit_and_what_is_left() -> None:
    numbers = iter(range(100))
    dropped: list[int] = []
    pool = Pool(lambda: next(numbers), lambda n: n not in (1, 2), dropped.append, size=2)
    assert pool.lease() == 0
    assert _until(lambda: len(pool._ready) == 2)
    assert pool.lease() > 2
    pool.close()
    assert {1, 2} <= set(dropped)
    assert list(pool._ready) == []


def test_pool_that_cannot_make_raises_at_the_lease() -> None:
    def fail() -> int:
        raise SandboxError("no")

    pool = Pool(fail, lambda _: True, lambda _: None, size=1)
    for _ in range(3):
        with pytest.raises(SandboxError, match="no"):
            pool.lease()
    pool.close()


def test_warm_sessions_are_fresh_and_end_with_the_sandbox(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=3) as other:
        with other.session() as session:
            session.execute("x = 1")
        assert _until(lambda: len(other._templates[""].pool._ready) >= 3)
        waiting = list(other._templates[""].pool._ready)
        with other.session() as session:
            assert session.execute("x").status == "error"
    assert all(handles.control.fileno() == -1 for handles in waiting)


def test_warm_session_that_died_is_not_leased(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=1) as other:
        other.session().close()
        ready = other._templates[""].pool._ready
        assert _until(lambda: len(ready) == 2)  # the one made ahead, the one that begins anew
        for dead in ready:
            dead.kill()
            assert dead.wait_gone(5.0)
        with other.session() as session:
            assert session.execute("6 * 7").result == "42"


OWNER = """
import time
from agentgym_sandbox import LocalSandbox
sandbox = LocalSandbox(warm=3)
sandbox.session()
while len(sandbox._templates[''].pool._ready) < 3: time.sleep(0.01)
print("ready", flush=True)
time.sleep(60)
"""


def test_killed_owner_leaves_no_warm_session() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    marker = f'"host_pid": {owner.pid},'.encode()

    def alive() -> int:
        found = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    found += marker in file.read()
            except OSError:
                continue
        return found

    assert alive() == 9  # the zygote and two processes for each of four sessions
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert _until(lambda: alive() == 0)
