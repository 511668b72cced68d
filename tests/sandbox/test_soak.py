"""Many sessions in a row, ended in every way, and nothing left: 2,000 with AGENTGYM_SOAK=2000."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from agentgym_sandbox import LocalSandbox, SandboxError, cgroup

SESSIONS = int(os.environ.get("AGENTGYM_SOAK", "300"))
ENDINGS = (
    "x = 42",
    "1 / 0",
    "import os\nos._exit(1)",
    "import ctypes\nctypes.string_at(0)",
    "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True)",
    "import os\nos.write(3, b'x' * 99)",
    "open('f', 'w').write('x' * 100_000)",
    "import socket\ns = socket.socket(1)\ns.bind('\\0name')\ns.listen()",
)


def _processes(owner: int) -> int:
    """Count the zygote and its sessions: all of them keep its command line."""
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += f'"host_pid": {owner},'.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
    return found


def _descriptors(pid: int | str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _mounts() -> int:
    return len(Path("/proc/self/mounts").read_text().splitlines())


def _groups() -> int:
    """Count the control groups of this process's sessions."""
    groups, _ = cgroup.find()
    names = [name for folder in groups.folders for name in os.listdir(folder)] if groups else []
    return sum(name.startswith(cgroup.owner_prefix()) for name in names)


def _left() -> list[int]:
    folders = len(os.listdir(tempfile.gettempdir()))
    return [_descriptors("self"), _mounts(), folders, _processes(os.getpid()), _groups()]


def test_soak_leaves_no_process_descriptor_mount_folder_or_group(
    sandbox: LocalSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other programs use /tmp, too
    with LocalSandbox(limits=sandbox.limits) as other:
        for code in ENDINGS:
            with other.session() as session:
                session.execute(code)
        zygote = other._templates[""].spawner.process.pid
        before = _left()
        held = _descriptors(zygote)
        for number in range(SESSIONS):
            with other.session() as session:
                session.execute(ENDINGS[number % len(ENDINGS)])
        # Networks are kept: one for each session at a time, of which a few overlap in dying.
        assert _descriptors(zygote) <= held + 16
        other._templates[""].pool.close()
        now = _left()
        assert all(after <= then for after, then in zip(now, before, strict=True)), (before, now)


def test_sandbox_that_was_refused_leaves_nothing(sandbox: LocalSandbox) -> None:
    before = _descriptors("self"), _processes(os.getpid())
    with pytest.raises(SandboxError, match="no_such_module"):
        LocalSandbox(preload=("no_such_module",))
    assert (_descriptors("self"), _processes(os.getpid())) == before
