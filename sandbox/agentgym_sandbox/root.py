"""The private root that sessions see: a few read-only trees, a few devices, an empty /tmp."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from agentgym_sandbox import kernel

__all__ = [
    "DEVICES",
    "HOME",
    "SESSION_ID",
    "VISIBLE",
    "build",
    "enter",
    "mount_work_folder",
    "shown",
]

HOME = "/tmp/work"
SESSION_ID = 1000  # user and group id as a session sees itself
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
MERGED = ("/bin", "/lib", "/lib32", "/lib64", "/libx32")  # links into /usr, or folders
SMALL_FILES = ("/etc/ld.so.cache", "/etc/alternatives")
VISIBLE = (*SYSTEM, *MERGED, *SMALL_FILES)
PASSWD = f"sandbox:x:{SESSION_ID}:{SESSION_ID}::{HOME}:/bin/sh\n"
GROUP = f"sandbox:x:{SESSION_ID}:\n"
# Trees below /tmp (an interpreter or packages in a temporary place) are bound here too, for each
# session mounts its own /tmp over the one that shows them.
ASIDE = "/.below"
_below_tmp: list[str] = []  # of this process and its forks


def build(trees: Iterable[str], masks: Iterable[str]) -> None:
    """Make this process's root the private one; the host's files are then out of reach.

    Args:
        trees: Folders of the host to show, read-only, at the same place.
        masks: Folders below those to show empty.

    Raises:
        OSError: If a mount is not allowed here; its text names it.
    """
    kernel.private_mounts()
    kernel.mount_tmpfs("/tmp", "size=1m,mode=755")
    os.mkdir("/tmp/old")
    kernel.pivot_root("/tmp", "/tmp/old")
    for path in sorted({*VISIBLE, *trees}):
        _show(path)
        if path.startswith("/tmp/") and os.path.isdir(path):
            os.makedirs(ASIDE + path, 0o755, exist_ok=True)
            kernel.bind_read_only(_resolved(path), ASIDE + path)
            _below_tmp.append(path)
    for path in masks:
        if os.path.isdir(path):
            kernel.mount_tmpfs(path, "size=4k,mode=755")
            kernel.seal(path)
    _make_devices()
    _write("/etc/passwd", PASSWD)
    _write("/etc/group", GROUP)
    os.makedirs("/tmp", 0o755, exist_ok=True)
    os.symlink("/tmp", "/dev/shm")
    kernel.detach("/old")
    os.rmdir("/old")
    kernel.seal("/", recursive=False)


def _show(path: str) -> None:
    """Bind a folder or a file of the old root; links are made again, unless they leave /usr."""
    source = "/old" + path
    if not os.path.lexists(source) or _is_shown(source, path):
        return
    if os.path.islink(source) and path in MERGED:
        os.symlink(os.readlink(source), path)
        return
    source = _resolved(path)
    if os.path.isdir(source):
        os.makedirs(path, 0o755, exist_ok=True)
    elif os.path.isfile(source):
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        _write(path, "")
    else:
        return
    kernel.bind_read_only(source, path)


def _is_shown(source: str, path: str) -> bool:
    """Say whether a tree that was bound before already shows this one."""
    return os.path.exists(path) and os.path.samefile(source, path)


def _resolved(path: str) -> str:
    """Follow the links of a host path by hand: they are relative to the old root."""
    done = "/old"
    parts = path.strip("/").split("/")
    for _ in range(200):
        if not parts:
            break
        part = parts.pop(0)
        here = os.path.normpath(f"{done}/{part}")
        if os.path.islink(here):
            target = os.readlink(here)
            done = "/old" if target.startswith("/") else done
            parts = [p for p in target.split("/") if p] + parts
        else:
            done = here if here.startswith("/old") else "/old"
    return done


def _make_devices() -> None:
    os.makedirs("/dev", exist_ok=True)
    for name in DEVICES:
        if stat.S_ISCHR(os.stat(f"/old/dev/{name}").st_mode):
            _write(f"/dev/{name}", "")
            kernel.bind_read_only(f"/old/dev/{name}", f"/dev/{name}", device=True)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def shown(paths: Iterable[str]) -> tuple[str, ...]:
    """Give those of the paths that are there, without links and without what another holds."""
    kept: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths if os.path.exists(path)}):
        if not any(path.startswith(f"{above}/") for above in kept):
            kept.append(path)
    return tuple(kept)


def mount_work_folder(disk_mb: int, inodes: int) -> int:
    """Mount a session's own /tmp and enter its work folder.

    Returns:
        A descriptor of the work folder.
    """
    kernel.mount_tmpfs("/tmp", f"size={disk_mb}m,nr_inodes={inodes},mode=755")
    for path in _below_tmp:
        os.makedirs(path, 0o755, exist_ok=True)
        kernel.bind_read_only(ASIDE + path, path)
    os.mkdir(HOME, 0o755)
    return enter(HOME)


def enter(folder: str) -> int:
    """Make a folder the current one and give a descriptor of it."""
    os.chdir(folder)
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
