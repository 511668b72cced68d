"""Namespaces that serve a further session: nothing of the last one, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agentgym_sandbox import LocalSandbox, renewal
from agentgym_sandbox.renewal import MAX_RENEWALS
from agentgym_sandbox.session import LocalSession


@pytest.fixture
def one(sandbox: LocalSandbox) -> Iterator[LocalSandbox]:
    """A sandbox in which a session that begins anew is the only one that waits."""
    with LocalSandbox(limits=sandbox.limits, warm=1) as other:
        other.session().close()
        yield other


def _waits(sandbox: LocalSandbox, session: LocalSession) -> bool:
    """Whether a session's supervisor waits for the next lease."""
    ready = sandbox._templates[""].pool._ready
    return any(handles.control is session.handles.control for handles in ready)


def _renewed_after(sandbox: LocalSandbox, code: str) -> bool:
    with sandbox.session() as session:
        assert session.execute(code).session_alive
    return _waits(sandbox, session)


HIDDEN = [
    "x = 1\nimport sys, os, builtins\nsys.marked = builtins.marked = True\nos.environ['M'] = '1'",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)",
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    time.sleep(60)",
    "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.alarm(1)",
    "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))",
    "import os\nos.close(1)\nos.nice(5)",
    "import os\nos.chdir('/')",
    "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))",
]
LOOK = (
    "import sys, os, builtins, signal, resource, threading\n"
    "def children():\n"
    "    try:\n        return os.waitpid(-1, os.WNOHANG)\n"
    "    except ChildProcessError:\n        return None\n"
    "[*(n in globals() for n in ('x', 's')), hasattr(sys, 'marked'), hasattr(builtins, 'marked'),"
    " os.environ.get('M'), threading.active_count(), children(), os.getcwd(), os.nice(0),"
    " signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL),"
    " resource.getrlimit(resource.RLIMIT_NOFILE), sorted(os.listdir('/tmp/work'))]"
)


@pytest.mark.parametrize("code", HIDDEN)
def test_renewed_session_is_as_a_fresh_one(one: LocalSandbox, code: str) -> None:
    with LocalSandbox(limits=one.limits, warm=0) as fresh, fresh.session() as session:
        expected = session.execute(LOOK).result
    assert expected
    assert _renewed_after(one, code)
    pids = []
    for _ in range(3):  # whichever of those that wait
        with one.session() as session:
            assert session.execute(LOOK).result == expected
            assert session.execute("print(1)").stdout == "1\n"
            pids.append(session.handles.renewals)
    assert max(pids) > 0


TRACES = {
    "a file": "open('a', 'w').close()",
    "a file that is gone": "import os\nopen('a', 'w').close()\nos.remove('a')",
    "a file beside": "open('/tmp/a', 'w').close()",
    "a folder moved": "import os\nos.rename('/tmp/work', '/tmp/other')\nos.mkdir('/tmp/work')",
    "a mode": "import os\nos.chmod('/tmp/work', 0o700)",
    "a mode above": "import os\nos.chmod('/tmp', 0o777)",
    "a pipe": "import os\nos.mkfifo('p')",
    "a socket's name": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('s')",
    "a priority": "import os\nos.setpriority(os.PRIO_PROCESS, 1, 19)",
    "everyone's priority": "import os\nos.setpriority(os.PRIO_USER, 0, 19)",
    "a scheduler": "import os\nos.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))",
    "a processor": "import os\nos.sched_setaffinity(1, {min(os.sched_getaffinity(1))})",
    "a disk priority": (
        "import ctypes\ncall = ctypes.CDLL(None).syscall\n"
        "assert call(251, ctypes.c_long(1), ctypes.c_long(1), ctypes.c_long((3 << 13))) == 0"
    ),
}


@pytest.mark.parametrize("code", TRACES.values(), ids=TRACES)
def test_session_that_left_a_trace_is_the_last_in_its_namespaces(
    one: LocalSandbox, code: str
) -> None:
    if "affinity" in code and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one processor only: there is no other to choose")
    assert not _renewed_after(one, "import time\ntime.sleep(0.02)\n" + code)


def test_session_that_died_is_not_renewed(one: LocalSandbox) -> None:
    session = one.session()
    session.execute("import os\nos._exit(1)")
    session.close()
    assert not _waits(one, session)


def test_session_that_a_timeout_spared_is_renewed(one: LocalSandbox) -> None:
    with one.session() as session:
        assert session.execute("while True: pass", timeout_s=0.1).status == "timeout"
    assert _waits(one, session)


def test_supervisor_retires_after_its_last_renewal(one: LocalSandbox) -> None:
    seen = []
    for _ in range(2 * MAX_RENEWALS + 10):
        with one.session() as session:
            seen.append(session.handles.renewals)
    assert max(seen) == MAX_RENEWALS


def test_refused_renewal_ends_the_session(
    one: LocalSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = one.session()
    handles = session.handles
    monkeypatch.setattr(renewal, "_asked", lambda *_: False)
    session.close()
    assert handles.control.fileno() == -1
    with one.session() as fresh:
        assert fresh.execute("6 * 7").result == "42"


def test_session_without_namespaces_is_not_renewed(one: LocalSandbox) -> None:
    with one.session() as session:
        assert renewal.renew(replace(session.handles, folder="of the host")) is None
        assert session.execute("6 * 7").result == "42"


def test_warm_none_renews_none(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=0) as other:
        for _ in range(3):
            with other.session() as session:
                assert session.handles.renewals == 0
