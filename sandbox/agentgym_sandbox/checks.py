"""What any backend must pass: probes of its mechanisms, the contract, and the attacks.

A backend of one's own is judged by ``check(sandbox)``, which gives what it failed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial

from agentgym_sandbox.attacks import ATTACKS, Attack, Bait, laid_bait
from agentgym_sandbox.base import PathRefused, Sandbox, SandboxDead, SandboxError, Session
from agentgym_sandbox.spawner import ENVIRONMENT

__all__ = ["CONTRACT", "PROBES", "check", "probe", "withstands"]

PROBES = """
import ctypes, json, os, socket, stat
libc = ctypes.CDLL(None, use_errno=True)

def refused(action):
    try:
        action()
    except OSError:
        return True
    return False

HOST_FILES = %r

def no_call(number, *arguments):
    ctypes.set_errno(0)
    longs = [ctypes.c_long(a) for a in arguments]
    return libc.syscall(ctypes.c_long(number), *longs) == -1 and ctypes.get_errno() == 1

def connect():
    socket.create_connection(("192.0.2.1", 80), timeout=1.0)

def makes_whiteout():
    try:
        os.mknod("probe", stat.S_IFCHR | 0o600, 0)  # a device that takes no capability
    except OSError as error:
        return error.errno != 13  # EACCES is Landlock's; others say EPERM
    os.unlink("probe")
    return True

def root_is_writable():
    open("/probe", "w").close()

def capabilities():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    return any(sets)

print(json.dumps({
    "user_namespace": os.stat("/usr/lib").st_uid == 65534,  # the host's root is nobody here
    "pid_namespace": os.getppid() == 1,
    "net_namespace": refused(connect),
    "uts_namespace": os.uname().nodename == "sandbox",
    "host_files_refused": all(refused(lambda p=p: os.open(p, 0)) for p in HOST_FILES),
    "private_root": not any(map(os.path.exists, ("/proc/1", "/home", "/etc/shadow", "/var"))),
    "read_only_root": refused(root_is_writable),
    "no_capabilities": not capabilities(),
    "no_host_processes": os.getppid() == 1 or refused(lambda: os.kill(os.getppid(), 0)),
    "no_new_privileges": libc.prctl(39, 0, 0, 0, 0) == 1,
    "seccomp": no_call(250, 0, -3, 0) and no_call(101, 0, 0, 0) and no_call(272, 0x10000000),
    "landlock": not makes_whiteout(),
    "clean_environment": set(os.environ) == set(%r),
}))
"""


HOST_FILES = (
    "/etc/shadow", "/etc/hostname", "/proc/1/environ", "/proc/self/mem", "/home", "/var",
)  # fmt: skip
# A container has a /proc of its own, and files of its image under the usual names.
CONTAINER_FILES = ("/proc/1/environ", "/proc/1/mem", "/proc/kcore", "/var/run/docker.sock")
OF_LOCAL_ONLY = {"user_namespace", "private_root", "landlock"}


def probe(session: Session, *, contained: bool = False) -> dict[str, bool]:
    """Run the probes in a session that has run nothing else.

    Args:
        session: A fresh one.
        contained: Whether it runs in a container, which has a root and users of its own.

    Raises:
        SandboxError: If the session could not run them.
    """
    files = CONTAINER_FILES if contained else HOST_FILES
    result = session.execute(PROBES % (files, tuple(ENVIRONMENT)), timeout_s=10.0)
    if result.status != "ok":
        raise SandboxError(
            f"the probes failed: {result.status} {result.exception or result.detail}"
        )
    found: dict[str, bool] = json.loads(result.stdout)
    skipped = OF_LOCAL_ONLY if contained else set()
    return {name: there for name, there in found.items() if name not in skipped}


def withstands(session: Session, attack: Attack, bait: Bait) -> bool:
    """Run an attack in a session; true if it did not come through."""
    result = session.execute(attack.source(bait) + "\nprint('WON:', bool(won))", timeout_s=20.0)
    return result.status not in ("timeout", "sandbox_error") and "WON: True" not in result.stdout


def _expects(code: str, status: str, result: str | None = None) -> Callable[[Session], bool]:
    def holds(session: Session) -> bool:
        found = session.execute(code, timeout_s=1.0)
        return (found.status, found.result) == (status, result)

    return holds


def _keeps_state(session: Session) -> bool:
    session.execute("x = 41")
    return session.execute("x + 1").result == "42"


def _survives_a_timeout(session: Session) -> bool:
    session.execute("x = 42")
    stopped = session.execute("while True: pass", timeout_s=0.3)
    return stopped.status == "timeout" and session.execute("x").result == "42"


def _kills_what_ignores_it(session: Session) -> bool:
    code = "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass"
    stopped = session.execute(code, timeout_s=0.3)
    return (stopped.status, stopped.session_alive, session.alive) == ("timeout", False, False)


def _raises_once_lost(session: Session) -> bool:
    session.execute("import os\nos._exit(0)")
    return _raises(SandboxDead, lambda: session.execute("1"))


def _carries_files(session: Session) -> bool:
    session.put("a/b", bytes(range(256)))
    return session.get("a/b") == bytes(range(256))


def _refuses_paths(session: Session) -> bool:
    session.execute("import os\nos.symlink('/etc/passwd', 'link')\nos.mkfifo('pipe')")
    paths = ("/etc/passwd", "../x", "link", "pipe", "a//b", "")
    reading = all(_raises(PathRefused, partial(session.get, path)) for path in paths)
    writing = all(_raises(PathRefused, partial(session.put, path, b"")) for path in paths)
    return reading and writing


def _bounds_output(session: Session) -> bool:
    result = session.execute("import sys\nsys.stdout.write('x' * 10**7)", timeout_s=20.0)
    return result.truncated and len(result.stdout) < 10**7


def _believes_no_forged_frame(session: Session) -> bool:
    result = session.execute("import os, time\nos.write(3, bytes(200))\ntime.sleep(1)\n42")
    return result.result is None and result.status != "ok"


def _answers_calls(session: Session) -> bool:
    session.rpc(str.upper)
    return session.execute("import sandbox_host\nsandbox_host.call('a')").result == "'A'"


def _raises(kind: type[Exception], action: Callable[[], object]) -> bool:
    with contextlib.suppress(kind):
        action()
        return False
    return True


CONTRACT: dict[str, Callable[[Session], bool]] = {
    "gives the repr of a last expression": _expects("6 * 7", "ok", "42"),
    "gives no result for None": _expects("None", "ok"),
    "tells an exception": _expects("1 / 0", "error"),
    "tells a syntax error": _expects("def f(:", "error"),
    "tells exit() from success": _expects("exit(0)", "exited"),
    "tells an ended process": _expects("import os\nos._exit(0)", "exited"),
    "tells a crash": _expects("import ctypes\nctypes.string_at(0)", "crashed"),
    "tells memory that ran out": _expects("x = bytearray(2**40)", "oom"),
    "tells a timeout": _expects("while True: pass", "timeout"),
    "keeps state between calls": _keeps_state,
    "keeps state over a timeout": _survives_a_timeout,
    "kills code that ignores the interrupt": _kills_what_ignores_it,
    "raises once the session is lost": _raises_once_lost,
    "carries files both ways": _carries_files,
    "refuses paths that leave the folder": _refuses_paths,
    "bounds what is printed": _bounds_output,
    "believes no forged frame": _believes_no_forged_frame,
    "answers calls from inside": _answers_calls,
}


def check(sandbox: Sandbox) -> list[str]:
    """Run the contract and all attacks; give the names of what did not hold."""
    failed = [name for name, holds in CONTRACT.items() if not _holds_alone(sandbox, holds)]
    with laid_bait() as bait, _bait_in_environment():
        for attack in ATTACKS:
            if not _holds_alone(sandbox, partial(withstands, attack=attack, bait=bait)):
                failed.append(attack.name)
    return failed


def _holds_alone(sandbox: Sandbox, holds: Callable[[Session], bool]) -> bool:
    with sandbox.session() as session:
        return holds(session)


@contextlib.contextmanager
def _bait_in_environment() -> Iterator[None]:
    os.environ["AGENTGYM_BAIT"] = "set"
    try:
        yield
    finally:
        del os.environ["AGENTGYM_BAIT"]
