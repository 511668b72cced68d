"""Attacks that no backend may let succeed: code that sets `won`, beside bait of the host's.

Each is a claim that can be tested twice: in a session, where `won` must stay false or the code be
stopped, and (where that is safe) in a bare interpreter, where it must become true.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ATTACKS", "Attack", "Bait", "laid_bait"]

ADMIN = "/" + "root"  # where the host of anybody keeps its administrator's files
# Below these a session has processes of its own: bait of such a number would be taken for them.
FIRST_BAIT_PID = 100
PRELUDE = """
import ctypes, os, socket, sys
def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
def past(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    value = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return value >= 0 or ctypes.get_errno() not in (1, 38)  # EPERM, ENOSYS: not let in at all
def first_line(path):
    with open(path, "rb") as file:
        return file.readline()
won = False
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attempt.

    Attributes:
        name: What is attempted.
        code: Python that sets `won` if it came through; bait stands in braces.
        bare: Whether it succeeds in a bare interpreter of a Linux host, and is safe to run there.
    """

    name: str
    code: str
    bare: bool = True

    def source(self, bait: Bait) -> str:
        """Write the whole code for one bait."""
        text = self.code
        for name in bait.__slots__:
            text = text.replace("{" + name + "}", str(getattr(bait, name)))
        return PRELUDE + text


@dataclass(frozen=True, slots=True)
class Bait:
    """What lies ready on the host: a secret file, a process, and sockets that listen."""

    folder: str
    secret: str
    pid: int
    port: int
    abstract: str
    sock: str


@contextlib.contextmanager
def laid_bait() -> Iterator[Bait]:
    """Lay bait on this machine, and take it away again."""
    with contextlib.ExitStack() as undo:
        folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="agentgym-bait-"))
        Path(folder).chmod(0o755)
        secret = Path(folder) / "secret.txt"
        secret.write_text("the expected answer is 42")
        abstract = f"agentgym-bait-{os.getpid()}"
        port = 0
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", 0)),
            (socket.AF_UNIX, f"\0{abstract}"),
            (socket.AF_UNIX, f"{folder}/sock"),
        ):
            line = undo.enter_context(socket.socket(family))
            line.bind(address)
            line.listen()
            port = port or line.getsockname()[1]
        victim = _victim(undo)
        yield Bait(folder, str(secret), victim, port, abstract, f"{folder}/sock")


def _victim(undo: contextlib.ExitStack) -> int:
    """Start a process whose number nobody has in a session, which counts from 1."""
    while True:
        process = subprocess.Popen(["sleep", "600"], env={"TOKEN": "of-the-host"})
        if process.pid >= FIRST_BAIT_PID:
            undo.callback(process.wait)
            undo.callback(process.kill)
            return process.pid
        process.kill()
        process.wait()


def _reads(name: str, expression: str, *, bare: bool = True) -> Attack:
    return Attack(f"read {name}", f"won = bool({expression})", bare)


def _refused_call(name: str, number: int, *arguments: int, bare: bool = False) -> Attack:
    listed = "".join(f", {argument}" for argument in arguments)
    return Attack(f"system call {name}", f"won = past({number}{listed})", bare)


ATTACKS: tuple[Attack, ...] = (
    # Files of the host.
    _reads("a secret file by its path", "first_line('{secret}')"),
    _reads("it by way of dot-dot", "first_line('../../../../../../..' + '{secret}')"),
    _reads("its name in the folder", "os.listdir('{folder}')"),
    _reads("its size", "os.stat('{secret}').st_size"),
    _reads("it by a link", "os.symlink('{secret}', 'l1') or first_line('l1')"),
    _reads("it by a link to the root", "os.symlink('/', 'l2') or first_line('l2' + '{secret}')"),
    _reads("it through a child's root", "first_line('/proc/1/root' + '{secret}')", bare=False),
    _reads("it by a program", "__import__('subprocess').check_output(['cat', '{secret}'])"),
    _reads("it through another's folder", "first_line('/proc/{pid}/root' + '{secret}')"),
    Attack(
        "read it by an early descriptor",
        "for fd in range(3, 64):\n    try:\n"
        "        won = won or os.path.exists(f'/proc/self/fd/{fd}/../../../../../../{secret}')\n"
        "        won = won or bool(os.open('../../../..' + '{secret}', 0, dir_fd=fd))\n"
        "    except OSError: pass",
        bare=False,
    ),
    _reads("the host's passwords", "first_line('/etc/shadow')", bare=os.geteuid() == 0),
    _reads("the machine's identity", "first_line('/etc/machine-id')", bare=False),
    _reads("somebody's shell history", f"first_line('{ADMIN}/.bash_history')", bare=False),
    _reads("somebody's keys", f"os.listdir('{ADMIN}/.ssh')", bare=False),
    _reads("kernel memory", "first_line('/dev/mem')", bare=False),
    _reads("a disk", "any(os.open(f'/dev/{d}', 0) for d in ('sda', 'vda'))", bare=False),
    _reads("the kernel's log", "os.open('/dev/kmsg', os.O_NONBLOCK)", bare=False),
    Attack("write a file of the host", "open('{secret}', 'a').write('x')\nwon = True"),
    Attack("make a file beside it", "open('{folder}/new', 'w').close()\nwon = True"),
    Attack("remove it", "os.rename('{folder}/new2', '{folder}/new3')\nwon = True", bare=False),
    Attack("change its mode", "os.chmod('{secret}', 0o644)\nwon = True"),
    Attack("make a hard link to it", "os.link('{secret}', '{folder}/hard')\nwon = True"),
    Attack(
        "replace the interpreter's library",
        "open(os.__file__, 'r+').close()\nwon = True",
        bare=False,
    ),
    Attack("write into /etc", "open('/etc/agentgym-x', 'w').close()\nwon = True", bare=False),
    Attack("write into /usr/bin", "open('/usr/bin/agentgym-x', 'w')\nwon = True", bare=False),
    Attack(
        "make a device",
        "import stat\nos.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(8, 0))\nwon = True",
        bare=False,
    ),
    # Processes of the host.
    Attack("signal a process of the host", "os.kill({pid}, 0)\nwon = True"),
    Attack("open a handle of it", "os.pidfd_open({pid})\nwon = True"),
    _reads("its environment", "b'of-the-host' in first_line('/proc/{pid}/environ')"),
    _reads("its command line", "first_line('/proc/{pid}/cmdline')"),
    _reads("its priority", "os.getpriority(os.PRIO_PROCESS, {pid}) + 21"),
    _reads("its scheduling", "os.sched_getaffinity({pid})"),
    _reads("its session", "os.getsid({pid}) >= 0"),  # 0: led from outside of our namespace
    Attack("change its priority", "os.setpriority(os.PRIO_PROCESS, {pid}, 19)\nwon = True"),
    Attack("find it among the processes", "won = '{pid}' in os.listdir('/proc')"),
    Attack(
        "lower its limits",
        "import resource\nresource.prlimit({pid}, resource.RLIMIT_CORE)\nwon = True",
    ),
    Attack("trace it", "won = call(101, 16, {pid}, 0, 0) == 0", bare=False),
    Attack(
        "read its memory",
        "won = bool(os.open('/proc/{pid}/mem', os.O_RDONLY))",
        bare=False,
    ),
    Attack("read pid 1's memory", "won = bool(os.open('/proc/1/mem', os.O_RDONLY))", bare=False),
    Attack("read pid 1's environment", "won = bool(first_line('/proc/1/environ'))", bare=False),
    Attack("find a variable of the host", "won = 'AGENTGYM_BAIT' in os.environ"),
    Attack(
        "find it in memory",
        "needle = b'of-the-' + b'host'\nfor line in open('/proc/self/environ', 'rb'):\n"
        "    won = won or b'AGENTGYM_BAIT' in line",
    ),
    # Network and sockets.
    Attack(
        "reach a port of the host",
        "socket.create_connection(('127.0.0.1', {port}), 1)\nwon = True",
    ),
    Attack("reach it by name", "socket.create_connection(('localhost', {port}), 1)\nwon = True"),
    Attack("reach an abstract socket", "socket.socket(1).connect('\\0{abstract}')\nwon = True"),
    Attack("reach a socket by its path", "socket.socket(1).connect('{sock}')\nwon = True"),
    Attack(
        "reach the Docker engine",
        "socket.socket(1).connect('/var/run/docker.sock')\nwon = True",
        bare=False,
    ),
    Attack(
        "reach the internet",
        "socket.create_connection(('1.1.1.1', 53), 1)\nwon = True",
        bare=False,
    ),
    Attack(
        "send a datagram to the network",
        "socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 53))\nwon = True",
        bare=False,
    ),
    Attack(
        "ask a name server",
        "socket.getaddrinfo('example.com', 80)\nwon = True",
        bare=False,
    ),
    Attack("open a raw socket", "socket.socket(2, 3, 1)\nwon = True", bare=False),
    Attack("open a packet socket", "socket.socket(17, 3)\nwon = True", bare=False),
    Attack("open a netlink socket", "socket.socket(16, 3, 0)\nwon = True"),
    Attack("open a vsock", "socket.socket(40, 1)\nwon = True", bare=False),
    Attack("open a crypto socket", "socket.socket(38, 5)\nwon = True", bare=False),
    Attack("open an IPv6 socket", "socket.socket(10, 1)\nwon = True", bare=False),
    Attack("list the host's interfaces", "won = any(name.startswith(('e', 'w', 'docker', 'veth'))"
           " for _, name in socket.if_nameindex())", bare=False),
    # Rights and system calls.
    Attack("become root", "os.setuid(0)\nwon = True", bare=False),
    Attack("hold a capability", "won = any(call(157, 23, n) == 1 for n in range(40))", bare=False),
    Attack("drop no_new_privileges", "won = call(157, 39, 0, 0, 0, 0) == 0"),
    Attack("raise a hard limit", "import resource as r\nh = r.getrlimit(r.RLIMIT_NOFILE)[1]\n"
           "r.setrlimit(r.RLIMIT_NOFILE, (h + 9, h + 9))\nwon = True", bare=False),
    Attack("chroot", "os.chroot('.')\nwon = True", bare=False),
    Attack("change the host name", "socket.sethostname('owned')\nwon = True", bare=False),
    Attack("set the clock", "import time as t\nt.clock_settime(0, t.time())\nwon = True", False),
    Attack("share memory by System V", "won = call(29, 0, 4096, 0o1600) >= 0", bare=False),
    Attack("make a message queue", "won = call(68, 0, 0o1600) >= 0", bare=False),
    Attack("type into the terminal", "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')\nwon = 1", False),
    _refused_call("ptrace", 101, 0, 0, 0, 0),
    _refused_call("mount", 165, 0, 0, 0, 0, 0),
    _refused_call("unshare of users", 272, 0x10000000),
    _refused_call("unshare of mounts", 272, 0x20000),
    _refused_call("setns", 308, 0, 0),
    _refused_call("bpf", 321, 0, 0, 0),
    _refused_call("io_uring_setup", 425, 1, 0),
    _refused_call("userfaultfd", 323, 1),
    _refused_call("perf_event_open", 298, 0, 0, -1, -1, 0),
    _refused_call("keyctl", 250, 0, -3, 0, bare=True),
    _refused_call("add_key", 248, 0, 0, 0, 0, 0),
    _refused_call("memfd_create", 319, 0, 0, bare=True),
    _refused_call("memfd_secret", 447, 0),
    _refused_call("open_by_handle_at", 304, -100, 0, 0),
    _refused_call("process_vm_readv", 310, 1, 0, 0, 0, 0, 0),
    _refused_call("pidfd_getfd", 438, -1, 0, 0, bare=True),
    _refused_call("kcmp", 312, -1, -1, 0, 0, 0, bare=True),
    _refused_call("fsopen", 430, 0, 0),
    _refused_call("open_tree", 428, -100, 0, 1),
    _refused_call("init_module", 175, 0, 0, 0),
    _refused_call("kexec_load", 246, 0, 0, 0, 0),
    _refused_call("reboot", 169, 0, 0, 0, 0),
    _refused_call("iopl", 172, 3),
    _refused_call("quotactl", 179, 0, 0, 0, 0),
    _refused_call("personality", 135, 0x0040000),
    _refused_call("pivot_root", 155, 0, 0),
    _refused_call("umount", 166, 0, 0),
    _refused_call("move_mount", 429, 0, 0, 0, 0, 0),
    _refused_call("mount_setattr", 442, -100, 0, 0, 0, 0),
    _refused_call("swapon", 167, 0, 0),
    _refused_call("acct", 163, 1),
    _refused_call("syslog", 103, 10, 0, 0),
    _refused_call("fanotify_init", 300, 0, 0),
    _refused_call("name_to_handle_at", 303, -100, 0, 0, 0, 0, bare=True),
    _refused_call("process_madvise", 440, -1, 0, 0, 0, 0, bare=True),
    _refused_call("request_key", 249, 0, 0, 0, 0, bare=True),
    _refused_call("finit_module", 313, -1, 0, 0),
    _refused_call("delete_module", 176, 0, 0),
    _refused_call("adjtimex", 159, 0, bare=True),
    _refused_call("settimeofday", 164, 1, 0),
    _refused_call("clone3", 435, 0, 0),
    _refused_call("modify_ldt", 154, 0, 0, 0, bare=True),
    _refused_call("move_pages", 279, 0, 0, 0, 0, 0, 0, bare=True),
    _refused_call("seccomp", 317, 9, 0, 0, bare=True),
    # What is left of others, and of the harness.
    _reads("what an earlier session left", "os.path.exists('/tmp/left-behind')", bare=False),
    Attack("find the harness among the modules", "import agentgym_sandbox\nwon = True"),
    Attack("find an open descriptor", "for fd in range(4, 64):\n    try:\n        os.fstat(fd)\n"
           "        won = True\n    except OSError: pass", bare=False),
    Attack("dump a core", "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (1, 1))\n"
           "won = True", bare=False),
    Attack("lock memory without end", "import mmap\nm = mmap.mmap(-1, 2**22)\n"
           "at = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
           "won = call(149, at, 2**22) == 0", bare=False),
    Attack("run a set-uid program", "for path in ('/usr/bin/su', '/usr/bin/passwd'):\n"
           "    if os.path.exists(path) and os.stat(path).st_mode & 0o4000:\n"
           "        won = won or not os.statvfs(path).f_flag & os.ST_NOSUID", bare=False),
)  # fmt: skip
