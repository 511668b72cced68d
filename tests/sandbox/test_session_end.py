"""Time-outs, crashes, exits and floods: each told apart, and nothing left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentgym_sandbox import Limits, LocalSandbox, SandboxDead, SandboxError
from agentgym_sandbox.session import LocalSession

IGNORE = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def _running(marker: str) -> list[str]:
    """Find the processes whose command line carries the marker."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if marker.encode() in file.read():
                    found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_timeout_interrupts_and_state_survives(session: LocalSession) -> None:
    result = session.execute("x = 1\nwhile True: pass", timeout_s=0.2)
    assert (result.status, result.session_alive) == ("timeout", True)
    assert session.execute("x").result == "1"


def test_timeout_interrupts_a_sleep(session: LocalSession) -> None:
    result = session.execute("import time\ntime.sleep(60)", timeout_s=0.2)
    assert (result.status, result.session_alive) == ("timeout", True)


def test_timeout_is_told_even_when_the_code_swallows_the_interrupt(session: LocalSession) -> None:
    code = "try:\n    while True: pass\nexcept KeyboardInterrupt:\n    pass\n'done'"
    assert session.execute(code, timeout_s=0.2).status == "timeout"


def test_timeout_interrupt_never_strikes_the_next_call(session: LocalSession) -> None:
    for _ in range(20):
        session.execute("import time\ntime.sleep(0.01)", timeout_s=0.01)
        assert session.execute("sum(range(1000))").result == "499500"


def test_timeout_covers_a_hostile_repr(session: LocalSession) -> None:
    code = "class E:\n    def __repr__(self):\n        while True: pass\nE()"
    assert session.execute(code, timeout_s=0.2).status == "timeout"


def test_timeout_covers_a_hostile_exception(session: LocalSession) -> None:
    code = "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"
    assert session.execute(code, timeout_s=0.2).status == "timeout"


@pytest.mark.parametrize(
    "code",
    [
        IGNORE + "while True: pass",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        "import time\nwhile 1:\n    try:\n        time.sleep(60)\n    except BaseException: pass",
        IGNORE + "import os\nos.fork() or os.setsid()\nos.fork()\nwhile True: pass",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        "sum(range(10**13))",
    ],
    ids=["ignores", "masks", "catches", "forks", "stops itself", "holds the lock"],
)
def test_timeout_kills_what_does_not_obey(sandbox: LocalSandbox, code: str) -> None:
    with sandbox.session() as session:
        result = session.execute(code, timeout_s=0.2)
    assert (result.status, result.session_alive) == ("timeout", False)
    assert result.duration_s < 0.2 + 0.3 + 0.5


def test_timeout_leaves_no_double_forked_process(sandbox: LocalSandbox) -> None:
    marker = f"6{uuid.uuid4().int % 10**9}"
    code = (
        IGNORE + "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.execv('/bin/sleep', ['sleep', '{marker}'])\n    os._exit(0)\n"
        "time.sleep(0.1)\nprint('ready', flush=True)\nwhile True: pass"
    )
    with sandbox.session() as session:
        result = session.execute(code, timeout_s=0.4)
        assert (result.status, result.stdout) == ("timeout", "ready\n")
        assert _running(marker) == []


def test_close_kills_background_processes(sandbox: LocalSandbox) -> None:
    marker = f"6{uuid.uuid4().int % 10**9}"
    session = sandbox.session()
    code = f"import subprocess\np = subprocess.Popen(['sleep', '{marker}'], start_new_session=True)"
    session.execute(code)
    assert _wait_until(lambda: len(_running(marker)) == 1)  # exec shows its name a moment later
    session.close()
    assert _running(marker) == []


def test_exit_is_told_and_keeps_the_session(session: LocalSession) -> None:
    result = session.execute("exit(0)")
    assert (result.status, result.session_alive) == ("exited", True)


def test_sys_exit_is_told(session: LocalSession) -> None:
    assert session.execute("import sys\nsys.exit()").status == "exited"


def test_os_exit_loses_the_session(session: LocalSession) -> None:
    result = session.execute("print('before', flush=True)\nimport os\nos._exit(0)")
    assert (result.status, result.session_alive, result.stdout) == ("exited", False, "before\n")
    with pytest.raises(SandboxDead):
        session.execute("1")


def test_segfault_is_a_crash(session: LocalSession) -> None:
    result = session.execute("import ctypes\nctypes.string_at(0)")
    assert (result.status, result.detail) == ("crashed", "killed by SIGSEGV")


def test_abort_is_a_crash(session: LocalSession) -> None:
    result = session.execute("import os\nos.abort()")
    assert (result.status, result.detail) == ("crashed", "killed by SIGABRT")


def test_memory_bomb_runs_out_and_keeps_the_session(session: LocalSession) -> None:
    result = session.execute("x = []\nwhile True: x.append(bytearray(2**20))", timeout_s=20)
    assert result.status == "oom"
    assert session.execute("del x\n1").result == "1"


def test_memory_of_a_lifted_soft_limit_stays_bounded(session: LocalSession) -> None:
    code = (
        "import resource as r\nh = r.getrlimit(r.RLIMIT_AS)[1]\nr.setrlimit(r.RLIMIT_AS, (h, h))\n"
        "x = bytearray(200 * 2**20)"
    )
    assert session.execute(code).status == "oom"


def test_fork_bomb_stops_at_the_limit(session: LocalSession) -> None:
    code = (
        "import os, time\nn = 0\ntry:\n    while n < 100:\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n            os._exit(0)\n        n += 1\n"
        "except OSError: pass\nn"
    )
    assert session.execute(code).result == "15"


def test_processes_of_one_session_do_not_count_in_another(sandbox: LocalSandbox) -> None:
    hold = "import subprocess\np = [subprocess.Popen(['sleep', '60']) for _ in range(12)]"
    with sandbox.session() as one, sandbox.session() as two:
        assert one.execute(hold).status == "ok"
        assert two.execute(hold).status == "ok"


def test_flood_is_stopped_and_the_host_keeps_little(session: LocalSession) -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    result = session.execute(code, timeout_s=20)
    assert (result.status, len(result.stdout), result.truncated) == ("output_limit", 4096, True)


def test_flood_that_ignores_the_interrupt_is_killed(session: LocalSession) -> None:
    result = session.execute(IGNORE + "import os\nwhile True: os.write(2, b'x' * 65536)")
    assert (result.status, result.session_alive) == ("output_limit", False)


def test_dead_session_raises_and_gives_no_text(session: LocalSession) -> None:
    session.execute("import os\nos._exit(1)")
    for call in (lambda: session.put("a", b""), lambda: session.get("a")):
        with pytest.raises(SandboxDead, match="exit code 1"):
            call()


def test_session_that_died_between_calls_raises(session: LocalSession) -> None:
    code = "import os, threading\nthreading.Timer(0.05, os._exit, (1,)).start()"
    session.execute(code)
    assert session.handles.wait_gone(5.0)
    with pytest.raises(SandboxDead):
        session.execute("1")


def test_close_twice_is_safe(sandbox: LocalSandbox) -> None:
    session = sandbox.session()
    session.close()
    session.close()
    assert not session.alive


def test_close_from_another_thread_breaks_a_hang(sandbox: LocalSandbox) -> None:
    session = sandbox.session()
    timer = threading.Timer(0.2, session.close)
    timer.start()
    start = time.monotonic()
    with pytest.raises(SandboxDead, match="closed"):
        session.execute("while True: pass", timeout_s=60)
    assert time.monotonic() - start < 5
    timer.join()


def test_closed_sandbox_refuses_sessions(sandbox: LocalSandbox) -> None:
    other = LocalSandbox(limits=sandbox.limits)
    other.close()
    other.close()
    with pytest.raises(SandboxError, match="closed"):
        other.session()


def test_closed_sandbox_ends_its_sessions(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits) as other:
        session = other.session()
    with pytest.raises(SandboxDead):
        session.execute("1")


def test_sandbox_goes_on_after_its_zygote_was_killed(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits) as other:
        old = other.session()
        process = other._templates[""].spawner.process
        process.kill()
        process.wait()
        assert old.execute("1").result == "1"
        with other.session() as session:
            assert session.execute("2").result == "2"


def test_sessions_leave_no_descriptor() -> None:
    def use(sandbox: LocalSandbox) -> None:
        for code in ("1", "import os\nos._exit(0)", "import os\nos.write(3, b'x' * 99)"):
            with sandbox.session() as session:
                session.execute(code)

    with LocalSandbox(warm=0) as sandbox:  # a pool opens and closes descriptors at its own time
        use(sandbox)
        gc.collect()  # what other tests left must not go while this one counts
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            use(sandbox)
        assert len(os.listdir("/proc/self/fd")) <= before


def test_hundred_sessions_at_once_from_threads(sandbox: LocalSandbox) -> None:
    together = threading.Barrier(100)

    def use(number: int) -> str | None:
        with sandbox.session() as session:
            session.execute(f"x = {number}")
            together.wait(60)
            return session.execute("x * x").result

    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(use, range(100)))
    assert results == [str(n * n) for n in range(100)]


OWNER = """
import os, time
from agentgym_sandbox import LocalSandbox
sandbox = LocalSandbox(warm=0)
sessions = [sandbox.session() for _ in range(3)]
for session in sessions:
    session.execute("import subprocess\\np = subprocess.Popen(['sleep', '%s'])")
keeper = os.fork()  # holds copies of every descriptor, as a data loader's worker would
if keeper == 0:
    time.sleep(60)
    os._exit(0)
print(keeper, flush=True)
sessions[0].execute("while True: pass", timeout_s=600)
"""


def test_killed_owner_leaves_no_process() -> None:
    marker = f"6{uuid.uuid4().int % 10**9}"
    command = [sys.executable, "-c", OWNER % marker]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    keeper = int(owner.stdout.readline())
    assert len(_running(f'"host_pid": {owner.pid},')) == 7  # zygote, 3 supervisors, 3 interpreters
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert _wait_until(lambda: not _running(f'"host_pid": {owner.pid},'))
    assert _wait_until(lambda: not _running(f"sleep\0{marker}"))
    os.kill(keeper, signal.SIGKILL)


def test_used_up_processor_time_is_a_timeout() -> None:
    with LocalSandbox(limits=Limits(cpu_s=1)) as other, other.session() as session:
        result = session.execute("while True: pass", timeout_s=30)
    assert (result.status, result.session_alive) == ("timeout", False)


def test_forked_copy_of_the_host_gets_no_session(sandbox: LocalSandbox) -> None:
    child = os.fork()
    if child == 0:
        try:
            sandbox.session()
        except SandboxError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
