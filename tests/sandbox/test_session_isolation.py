"""What hostile code cannot reach: each test tries one thing from inside."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

import pytest

import agentgym_sandbox
from agentgym_sandbox import Limits, LocalSandbox, PathRefused, SandboxError
from agentgym_sandbox.attacks import laid_bait
from agentgym_sandbox.session import LocalSession

SYSCALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    value = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return ctypes.get_errno() if value < 0 else 0
"""


def test_a_hosts_file_is_out_of_reach(session: LocalSession, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the expected answer is 42")
    result = session.execute(f"open({str(secret)!r}).read()")
    assert "FileNotFoundError" in (result.exception or "")


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/proc/1/environ", "/proc/self/mem", "/sys", "/home", "/var", "/run", "/old"],
)
def test_a_path_of_the_host_does_not_exist(session: LocalSession, path: str) -> None:
    assert session.execute(f"import os\nos.path.lexists({path!r})").result == "False"


def test_the_repository_is_not_visible(session: LocalSession) -> None:
    here = str(Path(__file__))
    assert session.execute(f"import os\nos.path.exists({here!r})").result == "False"


def test_the_home_of_the_host_shows_nothing_but_the_interpreter(session: LocalSession) -> None:
    names = session.execute("import os\nos.listdir('/root') if os.path.exists('/root') else []")
    assert ".ssh" not in (names.result or "")
    assert ".bash_history" not in (names.result or "")


def test_the_root_cannot_be_written(session: LocalSession) -> None:
    for folder in ("/", "/usr/lib", "/etc", "/dev"):
        result = session.execute(f"open({folder + '/x'!r}, 'w')")
        assert "Read-only file system" in (result.exception or ""), folder


def test_dot_dot_does_not_leave_the_root(session: LocalSession) -> None:
    code = "import os\nsorted(os.listdir('/../../..')) == sorted(os.listdir('/'))"
    assert session.execute(code).result == "True"


def test_the_hosts_environment_is_not_visible(
    session: LocalSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY_OF_HOST", "secret")
    with LocalSandbox(limits=session.limits) as other, other.session() as fresh:
        result = fresh.execute("import os\nos.environ.get('API_KEY_OF_HOST')")
    assert (result.status, result.result) == ("ok", None)


def test_only_four_descriptors_are_open(session: LocalSession) -> None:
    code = (
        "import os\ndef there(fd):\n    try: os.fstat(fd)\n    except OSError: return False\n"
        "    return True\n[fd for fd in range(4096) if there(fd)]"
    )
    assert session.execute(code).result == "[0, 1, 2, 3]"


def test_the_command_line_of_the_harness_is_not_visible(session: LocalSession) -> None:
    assert session.execute("import sys\nsys.argv, sys.orig_argv").result == "([''], [])"


def test_no_network(session: LocalSession) -> None:
    code = "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)"
    assert "Network is unreachable" in (session.execute(code).exception or "")


def test_no_service_of_the_host_on_the_loopback(session: LocalSession) -> None:
    code = "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)"
    assert "Network is unreachable" in (session.execute(code).exception or "")


def test_no_abstract_socket_of_another_session(sandbox: LocalSandbox) -> None:
    serve = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0meet')\ns.listen()"
    connect = "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0meet')"
    with sandbox.session() as one, sandbox.session() as two:
        assert one.execute(serve).status == "ok"
        assert "refused" in (two.execute(connect).exception or "")


def test_no_abstract_socket_outlives_its_session(sandbox: LocalSandbox) -> None:
    """Networks are lent again: neither a bound name nor one kept alive in flight may be met."""
    keep = (
        "import array, socket\ns = socket.socket(1)\ns.bind('\\0later')\ns.listen()\n"
        "a, b = socket.socketpair()\nfds = array.array('i', [s.fileno(), a.fileno(), b.fileno()])\n"
        "a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])"
    )
    for _ in range(10):
        with sandbox.session() as session:
            result = session.execute(keep)
            assert result.status == "ok", result.exception


@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_INET6"])
def test_a_socket_family_is_refused(session: LocalSession, family: str) -> None:
    result = session.execute(f"import socket\nsocket.socket(socket.{family}, socket.SOCK_RAW)")
    assert "Address family not supported" in (result.exception or "")


def test_files_of_another_session_are_not_visible(sandbox: LocalSandbox) -> None:
    with sandbox.session() as one, sandbox.session() as two:
        one.put("mine.txt", b"secret")
        assert two.execute("import os\nos.listdir('.'), os.listdir('/tmp')").result == (
            "([], ['work'])"
        )


def test_processes_of_the_host_are_not_visible(session: LocalSession) -> None:
    with laid_bait() as bait:
        result = session.execute(f"import os\nos.kill({bait.pid}, 0)")
    assert "ProcessLookupError" in (result.exception or "")


def test_the_supervisor_cannot_be_killed(session: LocalSession) -> None:
    session.execute("import os\nfor n in range(1, 65):\n    os.kill(1, n)")
    assert session.execute("1").result == "1"


def test_kill_of_everything_hits_the_session_alone(sandbox: LocalSandbox) -> None:
    with sandbox.session() as other:
        with sandbox.session() as session:
            session.execute("import os\nos.kill(-1, 9)")
        assert other.execute("1").result == "1"


@pytest.mark.parametrize(
    ("name", "number", "arguments"),
    [
        ("ptrace", 101, (16, 1)),
        ("mount", 165, (0, 0, 0, 0, 0)),
        ("umount2", 166, (0, 0)),
        ("pivot_root", 155, (0, 0)),
        ("chroot", 161, (0,)),
        ("bpf", 321, (0, 0, 0)),
        ("io_uring_setup", 425, (1, 0)),
        ("add_key", 248, (0, 0, 0, 0, 0)),
        ("request_key", 249, (0, 0, 0, 0)),
        ("keyctl", 250, (0, -3, 0)),
        ("userfaultfd", 323, (1,)),
        ("kexec_load", 246, (0, 0, 0, 0)),
        ("init_module", 175, (0, 0, 0)),
        ("clock_settime", 227, (0, 0)),
        ("settimeofday", 164, (0, 0)),
        ("unshare", 272, (0x10000000,)),
        ("setns", 308, (0, 0)),
        ("clone of a user namespace", 56, (0x10000011, 0, 0, 0, 0)),
        ("perf_event_open", 298, (0, 0, -1, -1, 0)),
        ("open_by_handle_at", 304, (-100, 0, 0)),
        ("process_vm_readv", 310, (1, 0, 0, 0, 0, 0)),
        ("prlimit of pid 1", 302, (1, 7, 0, 0)),
        ("memfd_create", 319, (0, 0)),
        ("seccomp", 317, (0, 0, 0)),
        ("mount_setattr", 442, (-100, 0, 0, 0, 0)),
        ("shmget", 29, (1, 4096, 0o1600)),
        ("semget", 64, (1, 1, 0o1600)),
        ("msgget", 68, (1, 0o1600)),
        ("mq_open", 240, (0, 0o102, 0o600, 0)),
        ("sethostname", 170, (0, 0)),
    ],
)
def test_a_system_call_is_refused(
    session: LocalSession, name: str, number: int, arguments: tuple[int, ...]
) -> None:
    code = f"{SYSCALL}\ncall({number}, *{arguments!r})"
    assert session.execute(code).result == "1", name  # EPERM


WHITEOUT = "import os, stat\nos.mknod('w', stat.S_IFCHR | 0o600, 0)\n"


def test_landlock_refuses_what_nothing_else_would(session: LocalSession, tmp_path: Path) -> None:
    """The device of number 0 takes no capability, and the filter of system calls lets it pass."""
    code = (
        "from agentgym_sandbox import kernel as k, seccomp as s\n"
        "k.drop_capabilities()\nk.prctl(k.PR_SET_NO_NEW_PRIVS, 1)\ns.session_filter().install()\n"
    )
    environment = {"PYTHONPATH": str(Path(agentgym_sandbox.__file__).parent.parent)}
    command = [sys.executable, "-c", code + WHITEOUT]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "w").is_char_device()
    assert "[Errno 13] Permission denied" in (session.execute(WHITEOUT).exception or "")
    assert session.execute("import os\nos.mkfifo('w')\nos.path.exists('w')").result == "True"


def test_clone3_is_refused_as_unknown(session: LocalSession) -> None:
    assert session.execute(f"{SYSCALL}\ncall(435, 0, 0)").result == "38"  # ENOSYS: libc falls back


def test_a_program_for_another_abi_is_killed(session: LocalSession) -> None:
    result = session.execute(f"{SYSCALL}\ncall(0x40000000 + 39)")  # getpid of x32
    assert (result.status, result.detail) == ("crashed", "killed by SIGSYS")


def test_disk_use_stops_at_the_limit(session: LocalSession) -> None:
    code = (
        "n = 0\ntry:\n    for i in range(100):\n        with open(str(i), 'wb') as f:\n"
        "            f.write(bytes(2**20))\n        n += 1\n"
        "except OSError as e: print(e.errno)\nn < 9"
    )
    result = session.execute(code)
    assert (result.stdout, result.result) == ("28\n", "True")  # ENOSPC


def test_number_of_files_stops_at_the_limit(session: LocalSession) -> None:
    code = (
        "import os\ntry:\n    for i in range(1000): os.mkdir(str(i))\nexcept OSError: pass\ni < 256"
    )
    assert session.execute(code).result == "True"


def test_descriptors_stop_at_the_limit(session: LocalSession) -> None:
    code = "import os\nx = []\nwhile True: x.append(os.open('/dev/null', 0))"
    assert "Too many open files" in (session.execute(code).exception or "")


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "", ".", "a//b", "a\0b", "./a"]
)
def test_a_path_outside_the_work_folder_is_refused(session: LocalSession, path: str) -> None:
    with pytest.raises(PathRefused):
        session.get(path)
    with pytest.raises(PathRefused):
        session.put(path, b"x")


@pytest.mark.parametrize(
    "trick",
    [
        "os.symlink('/etc/passwd', 'f')",
        "os.symlink('real', 'f')",
        "os.mkfifo('f')",
        "os.mkdir('f')",
        "__import__('socket').socket(1).bind('f')",
    ],
    ids=["link out", "link within", "pipe", "folder", "socket"],
)
def test_what_is_no_plain_file_is_refused(session: LocalSession, trick: str) -> None:
    session.execute(f"import os\nopen('real', 'w').close()\n{trick}")
    with pytest.raises(PathRefused):
        session.get("f")
    with pytest.raises(PathRefused):
        session.put("f", b"x")


def test_a_link_on_the_way_is_refused(session: LocalSession) -> None:
    session.execute("import os\nos.mkdir('/tmp/out')\nos.symlink('/tmp/out', 'd')")
    with pytest.raises(PathRefused):
        session.put("d/x", b"x")


def test_put_and_get_carry_bytes(session: LocalSession) -> None:
    data = bytes(range(256)) * 1000
    session.put("deep/er/data.bin", data)
    assert session.get("deep/er/data.bin") == data


def test_put_replaces_what_was_there(session: LocalSession) -> None:
    session.put("a", b"long text")
    session.put("a", b"x")
    assert session.get("a") == b"x"


def test_put_of_more_than_the_folder_holds_raises_and_the_session_lives(
    session: LocalSession,
) -> None:
    session.put("a", bytes(6 * 2**20))
    with pytest.raises(SandboxError, match="No space left"):
        session.put("b", bytes(6 * 2**20))
    assert session.execute("1").result == "1"


def test_get_of_a_missing_file_raises(session: LocalSession) -> None:
    with pytest.raises(FileNotFoundError, match="nope"):
        session.get("nope")


def test_get_of_a_leased_file_does_not_hang(session: LocalSession) -> None:
    session.put("f", b"x")
    code = "import fcntl, signal\nsignal.signal(29, signal.SIG_IGN)\nf = open('f', 'r+')\n"
    session.execute(code + "fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)")
    with pytest.raises(PathRefused):
        session.get("f")


@pytest.mark.parametrize(
    "forged",
    [
        "os.write(3, b'x' * 100)",
        "os.write(3, bytes(22))",
        "os.write(3, b'\\xff' * 22)",
        "os.write(3, struct.pack('!I16sBB', 4, b'0' * 16, 2, 1) + bytes(4))",
        "os.write(3, b'\\0\\0')",
        "socket.socket(fileno=os.dup(3)).shutdown(1)",
    ],
    ids=["noise", "zeros", "huge", "wrong id", "a piece", "shut down"],
)
def test_forged_frames_give_no_result(session: LocalSession, forged: str) -> None:
    result = session.execute(f"import os, socket, struct\n{forged}\nimport time\ntime.sleep(1)\n42")
    assert (result.status, result.result, result.session_alive) == ("protocol_error", None, False)


def test_a_frame_forged_for_the_next_call_gives_no_result(session: LocalSession) -> None:
    code = "import os, threading\nthreading.Timer(0.05, os.write, (3, bytes(22))).start()"
    session.execute(code)
    poller = select.poll()
    poller.register(session.handles.data, select.POLLIN)
    assert poller.poll(5000)
    assert session.execute("42").status == "protocol_error"


def test_patched_builtins_do_not_change_the_status(session: LocalSession) -> None:
    code = (
        "import builtins\nfor n in dir(builtins):\n"
        "    if not n.startswith('__'): setattr(builtins, n, lambda *a, **k: 42)\n1 / 0"
    )
    assert session.execute(code).status == "error"


def test_a_patched_library_does_not_change_the_status(session: LocalSession) -> None:
    code = (
        "import os, ast, sys, traceback, struct, signal, linecache\n"
        "for m in (os, ast, sys, traceback, struct, signal, linecache):\n"
        "    for n in dir(m):\n        if not n.startswith('__'):\n"
        "            try: setattr(m, n, None)\n            except Exception: pass\n"
        "raise ValueError('x')"
    )
    assert session.execute(code).status == "error"


def test_a_tracer_does_not_reach_the_next_call(session: LocalSession) -> None:
    session.execute("import sys\nsys.settrace(lambda *a: 1 / 0)")
    assert session.execute("sys.gettrace()").result is None


def test_a_lowered_recursion_limit_does_not_reach_the_next_call(session: LocalSession) -> None:
    session.execute("import sys\nsys.setrecursionlimit(30)")
    assert session.execute("sys.getrecursionlimit()").result == "1000"


def test_a_fork_answers_once(session: LocalSession) -> None:
    assert session.execute("import os\nos.fork()\n42").result == "42"
    assert session.execute("43").result == "43"


def test_stdout_cannot_pass_for_a_result(session: LocalSession) -> None:
    result = session.execute("print(\"ExecResult(status='ok', result='42')\")\n1 / 0")
    assert (result.status, result.result) == ("error", None)


def test_report_finds_every_mechanism_in_force(sandbox: LocalSandbox) -> None:
    report = sandbox.report()
    assert (report.tier, report.missing) == ("namespaces", ())
    assert len(report.mechanisms) >= 10


def test_limits_refuse_what_is_not_positive() -> None:
    with pytest.raises(ValueError, match="memory_mb is 0"):
        Limits(memory_mb=0)
