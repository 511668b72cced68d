"""The Linux calls that Python does not offer, by ctypes; each raises OSError with its name."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache

__all__ = [
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUSER",
    "CLONE_NEWUTS",
    "bind_read_only",
    "clone",
    "detach",
    "drop_capabilities",
    "mount_tmpfs",
    "open_beneath",
    "pivot_root",
    "prctl",
    "seal",
    "set_namespace",
    "syscall",
    "unshare",
    "write_id_maps",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 0x1, 0x2, 0x4, 0x8
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x2, 0x4, 0x8

# Numbers above 424 are the same on every architecture; the others are x86_64's.
SYS_CLONE, SYS_PIVOT_ROOT, SYS_CAPSET, SYS_OPENAT2, SYS_MOUNT_SETATTR = 56, 155, 126, 437, 442
CLONE_PIDFD, SIGCHLD = 0x1000, 17

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION = 0x20080522


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(name: str, call: Callable[..., int], *arguments: object) -> int:
    value = call(*arguments)
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return value


def syscall(name: str, number: int, *arguments: int | bytes | object) -> int:
    """Make a raw system call; integers are passed as longs."""
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(name, _libc().syscall, ctypes.c_long(number), *longs)


def prctl(option: int, value: int = 0) -> int:
    """Set or ask an attribute of this process."""
    longs = [ctypes.c_ulong(v) for v in (value, 0, 0, 0)]
    return _checked(f"prctl({option})", _libc().prctl, ctypes.c_int(option), *longs)


def unshare(flags: int) -> None:
    """Move this process (for pids: its children) into new namespaces."""
    _checked(f"unshare({flags:#x})", _libc().unshare, ctypes.c_int(flags))


def clone(flags: int) -> tuple[int, int]:
    """Fork into new namespaces; libc's own fork cannot, and two forks would cost twice.

    For a process of one thread. libc and Python are told nothing of it, so what they keep of the
    process id is stale in the child until it forks again.

    Returns:
        The child's process id and a pidfd of it; in the child 0 and -1.
    """
    pidfd = ctypes.c_int(-1)
    # PyDLL keeps the interpreter's lock, which a child could not take back by itself.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    none = ctypes.c_long(0)
    wanted = ctypes.c_ulong(flags | CLONE_PIDFD | SIGCHLD)
    where = ctypes.byref(pidfd)
    name = f"clone({flags:#x})"
    pid = _checked(name, call, ctypes.c_long(SYS_CLONE), wanted, none, where, none, none)
    return pid, pidfd.value


def set_namespace(fd: int, kind: int) -> None:
    """Join the namespace that a descriptor stands for."""
    _checked(f"setns({kind:#x})", _libc().setns, ctypes.c_int(fd), ctypes.c_int(kind))


def write_id_maps(proc_fd: int, inside: int, outside_uid: int, outside_gid: int) -> None:
    """Map one user and one group of the parent namespace to `inside`.

    Args:
        proc_fd: A descriptor of /proc; there is none below our root.
        inside: The user and group id as the new namespace sees it.
        outside_uid: The user id that it stands for.
        outside_gid: The group id that it stands for.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside_uid} 1"),
        ("gid_map", f"{inside} {outside_gid} 1"),
    ):
        fd = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc_fd)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    _checked(
        f"mount {kind or 'bind'} on {target}",
        _libc().mount,
        source.encode(),
        target.encode(),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        data and data.encode(),
    )


def mount_tmpfs(target: str, options: str) -> None:
    """Mount an empty memory file system."""
    _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def private_mounts() -> None:
    """Keep what we mount from showing anywhere else."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE, None)


def seal(target: str, *, recursive: bool = True, device: bool = False) -> None:
    """Make a mount read-only, without set-uid bits, and without devices unless it is one."""
    flags = ATTR_RDONLY | ATTR_NOSUID | (ATTR_NOEXEC if device else ATTR_NODEV)
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    where = AT_RECURSIVE if recursive else 0
    size = ctypes.sizeof(attributes)
    path = target.encode()
    syscall(f"mount_setattr {target}", SYS_MOUNT_SETATTR, AT_FDCWD, path, where, attributes, size)


def bind_read_only(source: str, target: str, *, device: bool = False) -> None:
    """Show a file or a tree of the host at another place, read-only."""
    _mount(source, target, None, MS_BIND | MS_REC, None)
    seal(target, device=device)


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root; the former one appears at `old`, which lies below `new`."""
    syscall("pivot_root", SYS_PIVOT_ROOT, new.encode(), old.encode())
    os.chdir("/")


def detach(target: str) -> None:
    """Unmount a tree, whatever is in use there."""
    _checked(f"umount {target}", _libc().umount2, target.encode(), ctypes.c_int(MNT_DETACH))


def drop_capabilities() -> None:
    """Give up every capability of every set, for good."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call = _libc().prctl
    option, none = ctypes.c_int(PR_CAPBSET_DROP), ctypes.c_ulong(0)
    for number in range(64):
        if call(option, ctypes.c_ulong(number), none, none, none) < 0:
            break  # past the last one that this kernel knows
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    syscall("capset", SYS_CAPSET, header, (ctypes.c_uint32 * 6)())


def open_beneath(folder: int, path: bytes, flags: int, mode: int = 0) -> int:
    """Open a path below a folder, following no link of any kind.

    Raises:
        OSError: ELOOP for a link on the way, EXDEV for a path that leaves the folder.
    """
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, mode, resolve)
    return syscall("openat2", SYS_OPENAT2, folder, path, how, ctypes.sizeof(how))
