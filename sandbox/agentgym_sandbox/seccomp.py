"""The system calls that the code may not make: a filter in classic BPF, written by hand.

A namespace cannot hold everything: keyrings, the clock, vsock, the kernel's rarely used and often
broken doors (bpf, io_uring, userfaultfd, perf, module loading). Denied calls fail with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

__all__ = ["DENIED", "Filter", "session_filter", "single_process_filter", "supported"]

# Numbers of x86_64, from the kernel's syscall_64.tbl.
DENIED = {
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "shmdt": 67,
    "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "ptrace": 101, "syslog": 103,
    "uselib": 134, "personality": 135, "ustat": 136, "sysfs": 139, "vhangup": 153,
    "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156, "adjtimex": 159, "chroot": 161,
    "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "create_module": 174, "init_module": 175, "delete_module": 176, "quotactl": 179,
    "nfsservctl": 180, "lookup_dcookie": 212, "remap_file_pages": 216, "semtimedop": 220,
    "clock_settime": 227, "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239,
    "mq_open": 240, "mq_unlink": 241, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "migrate_pages": 256, "unshare": 272, "vmsplice": 278, "move_pages": 279,
    "perf_event_open": 298, "fanotify_init": 300, "fanotify_mark": 301,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "seccomp": 317, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "memfd_secret": 447, "process_mrelease": 448, "set_mempolicy_home_node": 450,
    "statmount": 457, "listmount": 458, "open_tree_attr": 467,
}  # fmt: skip

# Without namespaces the code has our user id among the host's processes: it may start none, signal
# none, reach no socket, and not change what Landlock leaves open: modes, owners, times, priorities.
DENIED_WITHOUT_NAMESPACES = {
    "socket": 41, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "tkill": 200,
    "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424, "pidfd_open": 434,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93,
    "lchown": 94, "fchownat": 260, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "setxattrat": 463,
    "removexattrat": 466, "file_setattr": 469, "utime": 132, "utimes": 235, "futimesat": 261,
    "utimensat": 280, "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144,
    "sched_setaffinity": 203, "ioprio_set": 251, "sched_setattr": 314,
}  # fmt: skip
SYS_KILL, SYS_TGKILL, SYS_PRCTL = 62, 234, 157
CLONE_THREAD, PR_SET_PDEATHSIG = 0x10000, 1

SYS_SOCKET, SYS_CLONE, SYS_IOCTL, SYS_PRLIMIT, SYS_CLONE3 = 41, 56, 16, 302, 435
AF_UNIX, AF_INET = 1, 2  # not AF_INET6: its flow labels outlive a session in a network namespace
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
NAMESPACE_FLAGS = 0x7E020080  # all of CLONE_NEW*, time included

AUDIT_ARCH_X86_64 = 0xC000003E
X32_BIT = 0x40000000
_LD, _JA, _JEQ, _JGE, _JSET, _RET = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0, _ARG0_HIGH, _ARG1 = 0, 4, 16, 20, 24
ALLOW, KILL = 0x7FFF0000, 0x80000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
# Calls that tell about the process of their first or second argument.
# getpgid, getsid, sched_getparam, sched_getscheduler, sched_rr_get_interval, sched_getaffinity
ASKS_FIRST = (121, 124, 143, 145, 148, 204)
ASKS_SECOND = (140, 252)  # getpriority, ioprio_get

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def supported() -> bool:
    """Whether the filter knows this machine's system call numbers."""
    return platform.machine() == "x86_64"


def _deny(number: int = errno.EPERM) -> Instruction:
    return (_RET, 0, 0, 0x00050000 | number)


def _for_call(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run `body`, which must return, for one system call only."""
    return [(_JEQ, 0, len(body), number), *body]


def _argument_rules() -> list[Instruction]:
    allow: Instruction = (_RET, 0, 0, ALLOW)
    families = [
        (_LD, 0, 0, _ARG0),
        (_JEQ, 2, 0, AF_UNIX),
        (_JEQ, 1, 0, AF_INET),
        _deny(errno.EAFNOSUPPORT),
        allow,
    ]
    clone = [(_LD, 0, 0, _ARG0), (_JSET, 0, 1, NAMESPACE_FLAGS), _deny(), allow]
    ioctl = [(_LD, 0, 0, _ARG1), (_JEQ, 1, 0, TIOCSTI), (_JEQ, 0, 1, TIOCLINUX), _deny(), allow]
    own = [(_LD, 0, 0, _ARG0), (_JEQ, 1, 0, 0), _deny(), allow]  # prlimit of oneself only
    return [
        *_for_call(SYS_SOCKET, families),
        *_for_call(SYS_CLONE, clone),
        *_for_call(SYS_IOCTL, ioctl),
        *_for_call(SYS_PRLIMIT, own),
        # Its flags lie in memory, which a filter cannot read; libc falls back to clone.
        *_for_call(SYS_CLONE3, [_deny(errno.ENOSYS)]),
    ]


def _single_process_rules(pid: int) -> list[Instruction]:
    allow: Instruction = (_RET, 0, 0, ALLOW)
    myself = [(_LD, 0, 0, _ARG0), (_JEQ, 1, 0, pid), _deny(), allow]
    threads = [(_LD, 0, 0, _ARG0), (_JSET, 1, 0, CLONE_THREAD), _deny(), allow]
    # Its end comes with its supervisor's, and it may not call that off.
    tied = [(_LD, 0, 0, _ARG0), (_JEQ, 0, 1, PR_SET_PDEATHSIG), _deny(), allow]
    or_self: list[Instruction] = [(_JEQ, 2, 0, 0), (_JEQ, 1, 0, pid), _deny(), allow]
    return [
        *(rule for call in ASKS_FIRST for rule in _for_call(call, [(_LD, 0, 0, _ARG0), *or_self])),
        *(rule for call in ASKS_SECOND for rule in _for_call(call, [(_LD, 0, 0, _ARG1), *or_self])),
        *_for_call(SYS_KILL, myself),
        *_for_call(SYS_TGKILL, myself),
        *_for_call(SYS_CLONE, threads),
        *_for_call(SYS_PRCTL, tied),
    ]


def program(denied: dict[str, int], rules: list[Instruction]) -> list[Instruction]:
    """Write a filter: right architecture, then the denied calls, then those with arguments."""
    start: list[Instruction] = [
        (_LD, 0, 0, _ARCH),
        (_JEQ, 1, 0, AUDIT_ARCH_X86_64),
        (_RET, 0, 0, KILL),
        (_LD, 0, 0, _NR),
        (_JGE, 0, 1, X32_BIT),
        (_RET, 0, 0, KILL),
    ]
    # All refusals share one ending: the kernel compiles the program anew for every session.
    numbers = sorted(denied.values())
    left = range(len(numbers) - 1, -1, -1)
    refusals = [(_JEQ, after + 1, 0, number) for number, after in zip(numbers, left, strict=True)]
    over: Instruction = (_JA, 0, 0, 1)
    return [*start, *refusals, over, _deny(), *rules, (_RET, 0, 0, ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class Filter:
    """A filter ready to be put on processes; made once, for making it costs more than using it."""

    def __init__(self, steps: list[Instruction]) -> None:
        code = b"".join(struct.pack("=HBBI", *step) for step in steps)
        self._program = _Program(len(steps), code)
        self._call = ctypes.CDLL(None, use_errno=True).prctl

    def install(self) -> None:
        """Put the filter on this process and all that it will start; needs no_new_privs."""
        mode = ctypes.c_ulong(SECCOMP_MODE_FILTER)
        if self._call(PR_SET_SECCOMP, mode, ctypes.byref(self._program), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "seccomp filter refused")


def session_filter() -> Filter:
    """Make the filter of every session, its supervisor included."""
    return Filter(program(DENIED, _argument_rules()))


def single_process_filter(pid: int) -> Filter:
    """Make a second filter for a process that stays alone and touches no other one."""
    return Filter(program(DENIED_WITHOUT_NAMESPACES, _single_process_rules(pid)))
