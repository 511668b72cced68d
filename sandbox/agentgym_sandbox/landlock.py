"""File rules beside or without namespaces: what is not named is neither read nor changed.

It does not hide names (`stat` works) nor forbid a change of mode or owner; the strict system call
filter does the latter. From ABI 6 on, signals and abstract sockets end at the session, too. Left
out: its rules on TCP, for a session has either no network or no sockets.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from agentgym_sandbox import kernel

__all__ = ["MINIMUM_ABI", "restrict", "version"]

MINIMUM_ABI = 3  # before, files that may not be written could still be truncated
SYS_CREATE, SYS_ADD, SYS_RESTRICT = 444, 445, 446
PATH_BENEATH, ASK_VERSION = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1, 2, 4, 8, 1 << 14
ALL = (1 << 15) - 1  # every right of files up to MINIMUM_ABI
MAKE_DEVICE = 1 << 6 | 1 << 11
SCOPING_ABI, SCOPES = 6, 3  # abstract sockets, signals
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Give the kernel's Landlock ABI, 0 where there is none."""
    try:
        return kernel.syscall("landlock", SYS_CREATE, ctypes.c_void_p(), 0, ASK_VERSION)
    except OSError:
        return 0


def restrict(
    readable: Iterable[str],
    devices: Iterable[str],
    writable: str,
    listable: Iterable[str] = (),
) -> None:
    """Confine this process and all that it will start; needs no_new_privs.

    Args:
        readable: Files and folders that may be read and run.
        devices: Files that may also be written.
        writable: The one folder where anything but devices may be made.
        listable: Folders whose names, and those of the folders below, may be listed.
    """
    scopes = (0, SCOPES) if version() >= SCOPING_ABI else ()  # 0: no rules on networks
    attributes = (ctypes.c_uint64 * (1 + len(scopes)))(ALL, *scopes)
    size = ctypes.sizeof(attributes)
    rules = kernel.syscall("landlock_create_ruleset", SYS_CREATE, attributes, size, 0)
    for path in readable:
        _allow(rules, path, EXECUTE | READ_FILE | READ_DIR)
    for path in devices:
        _allow(rules, path, READ_FILE | WRITE_FILE)
    for path in listable:
        _allow(rules, path, READ_DIR)
    _allow(rules, writable, ALL & ~MAKE_DEVICE)
    kernel.syscall("landlock_restrict_self", SYS_RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rights &= ALL if os.path.isdir(path) else FILE_RIGHTS
        rule = ctypes.byref(_Beneath(rights, fd))
        kernel.syscall("landlock_add_rule", SYS_ADD, rules, PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)
