"""The Docker backend, on a real engine; skipped with the reason where none answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentgym_sandbox import DockerSandbox, Limits, PathRefused, SandboxDead, SandboxError
from agentgym_sandbox.attacks import ATTACKS, laid_bait
from agentgym_sandbox.checks import CONTRACT, withstands
from agentgym_sandbox.docker import ID_LABEL, LABEL, sweep
from agentgym_sandbox.engine import Engine
from agentgym_sandbox.images import build_image
from agentgym_sandbox.session import LocalSession

IMAGE = "agentgym-sandbox-test:latest"
SMALL = Limits(
    memory_mb=128,
    disk_mb=8,
    pids=16,
    output_bytes=4096,
    flood_bytes=16 * 2**20,
    inodes=256,
    grace_s=0.3,
)
IGNORE = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@pytest.fixture(scope="module")
def engine() -> Engine:
    try:
        return Engine()
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def docker(engine: Engine) -> Iterator[DockerSandbox]:
    build_image(IMAGE)
    with DockerSandbox(IMAGE, limits=SMALL) as sandbox:
        yield sandbox


@pytest.fixture
def session(docker: DockerSandbox) -> Iterator[LocalSession]:
    with docker.session() as session:
        yield session


def _containers(engine: Engine) -> list[dict[str, Any]]:
    return engine.containers(LABEL)


def _until(condition: Any, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_docker_session_keeps_state_and_moves_files(session: LocalSession) -> None:
    assert session.execute("x = 6 * 7\nprint('out')\nx").result == "42"
    session.put("deep/er.bin", bytes(range(256)) * 1000)
    assert session.execute("len(open('deep/er.bin', 'rb').read()), x").result == "(256000, 42)"
    assert session.get("deep/er.bin") == bytes(range(256)) * 1000
    session.execute("import os\nos.symlink('/etc/passwd', 'link')")
    with pytest.raises(PathRefused):
        session.get("link")


def test_docker_output_comes_whole_and_before_the_answer(session: LocalSession) -> None:
    result = session.execute("import sys\nprint('a' * 3000)\nprint('b' * 3000, file=sys.stderr)")
    assert (len(result.stdout), len(result.stderr)) == (3001, 3001)


def test_docker_timeout_interrupts_and_state_survives(session: LocalSession) -> None:
    session.execute("x = 1")
    assert session.execute("while True: pass", timeout_s=0.2).status == "timeout"
    assert session.execute("x").result == "1"


def test_docker_timeout_kills_what_does_not_obey(session: LocalSession, engine: Engine) -> None:
    result = session.execute(IGNORE + "import os\nos.fork()\nwhile True: pass", timeout_s=0.2)
    assert (result.status, result.session_alive) == ("timeout", False)
    with pytest.raises(SandboxDead):
        session.execute("1")


@pytest.mark.parametrize(
    ("code", "status", "detail"),
    [
        ("import ctypes\nctypes.string_at(0)", "crashed", "killed by SIGSEGV"),
        ("import os\nos._exit(3)", "exited", "exit code 3"),
        ("import os\nos.write(3, b'x' * 100)\nwhile True: pass", "protocol_error", ""),
        (IGNORE + "import os\nwhile True: os.write(1, b'x' * 65536)", "output_limit", ""),
        ("import os\nos.kill(os.getpid(), 9)", "crashed", "killed by SIGKILL"),
    ],
    ids=["segfault", "exit", "forged frame", "flood", "kills itself"],
)
def test_docker_tells_endings_apart(
    session: LocalSession, code: str, status: str, detail: str
) -> None:
    result = session.execute(code, timeout_s=20)
    assert (result.status, result.session_alive) == (status, False)
    assert detail in result.detail


def test_docker_memory_bomb_runs_out(session: LocalSession) -> None:
    result = session.execute("x = []\nwhile True: x.append(bytearray(2**20))", timeout_s=20)
    assert result.status == "oom"


# Two children with 50 MB each, and then one of 110 MB, of the 200 MB that the container may have.
SHARED = """
import os, time
def fill(size):
    full = bytearray(size * 2**20)
    for at in range(0, len(full), 4096): full[at] = 1
    return full
def child(size):
    hearing, telling = os.pipe()
    if os.fork() == 0:
        full = fill(size)
        os.write(telling, b"x")
        time.sleep(60)
    os.close(telling)
    return os.read(hearing, 1)
child(50), child(50)
"""


@pytest.mark.parametrize("last", ["fill(110)", "child(110)"], ids=["interpreter", "child"])
def test_docker_kill_for_want_of_memory_is_told(session: LocalSession, last: str) -> None:
    result = session.execute(f"{SHARED}\n{last}\nNone", timeout_s=20)
    assert (result.status, result.session_alive) == ("oom", False)
    assert "memory" in result.detail


def test_docker_code_cannot_say_that_memory_ran_out(session: LocalSession) -> None:
    code = "open('/sys/fs/cgroup/memory/memory.oom_control', 'w').write('oom_kill 1')"
    assert session.execute(code).status == "error"
    assert session.execute("import os\nos.kill(os.getpid(), 9)").status == "crashed"


def test_docker_fork_bomb_stops_at_the_limit(session: LocalSession) -> None:
    code = (
        "import os, time\nn = 0\ntry:\n    while n < 100:\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n            os._exit(0)\n        n += 1\n"
        "except OSError: pass\nn"
    )
    assert int(session.execute(code).result or 100) <= 16


def test_docker_output_that_nobody_reads_does_not_block_files(session: LocalSession) -> None:
    # The flood waits for a sign: within the call it would be the call's own output, and end it.
    session.execute(
        "import os, threading, time\n"
        "def f():\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    while True: os.write(1, b'x' * 65536)\n"
        "threading.Thread(target=f, daemon=True).start()"
    )
    session.put("go", b"")
    for n in range(100):
        session.put("a", b"%d" % n)
        assert session.get("a") == b"%d" % n


def test_docker_report_finds_every_mechanism_in_force(docker: DockerSandbox) -> None:
    report = docker.report()
    assert (report.backend, report.missing) == ("docker", ())
    assert len(report.mechanisms) >= 8


def test_docker_closed_sandbox_leaves_no_container(docker: DockerSandbox, engine: Engine) -> None:
    def left(sandbox: DockerSandbox) -> int:
        return sum(c["Labels"][ID_LABEL] == sandbox._id for c in _containers(engine))

    with DockerSandbox(IMAGE, limits=SMALL, warm=1) as other:
        session = other.session()
        assert left(other) >= 1
    with pytest.raises(SandboxDead):
        session.execute("1")
    assert left(other) == 0


OWNER = """
import sys, time
from agentgym_sandbox import DockerSandbox
sandbox = DockerSandbox(sys.argv[1], warm=0)
session = sandbox.session()
print(sandbox._owner_label, flush=True)
session.execute("while True: pass", timeout_s=600)
"""


def test_docker_killed_owner_leaves_no_container(docker: DockerSandbox, engine: Engine) -> None:
    command = [sys.executable, "-c", OWNER, IMAGE]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    label = owner.stdout.readline().strip()

    def left() -> int:
        return sum(found["Labels"][LABEL] == label for found in _containers(engine))

    assert left() == 1
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert _until(lambda: left() == 0)


def test_docker_sweep_removes_what_a_dead_owner_left(docker: DockerSandbox, engine: Engine) -> None:
    gone, mine = docker._owner_label.rpartition(".")[0] + ".1", docker._owner_label
    made = {}
    for label in (gone, mine):
        description = docker._description() | {"Labels": {LABEL: label}}
        made[label] = engine.create(description)
    assert sweep(engine) >= 1
    left = {found["Id"] for found in _containers(engine)}
    assert made[gone] not in left
    assert made[mine] in left
    engine.remove(made[mine])


def test_docker_without_its_image_says_the_way_out(engine: Engine) -> None:
    with pytest.raises(SandboxError, match="build_image"):
        DockerSandbox("no-such-image:ever")


def test_docker_without_an_engine_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="DOCKER_HOST"):
        DockerSandbox(address=f"unix://{tmp_path}/none.sock")


@pytest.mark.parametrize("address", ["ssh://host", "https://host:1", "nonsense"])
def test_docker_at_an_address_of_no_plain_socket_says_the_way_out(address: str) -> None:
    with pytest.raises(SandboxError, match=r"DOCKER_HOST to unix://\.\.\. or tcp://"):
        DockerSandbox(address=address)


def test_docker_host_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(SandboxError, match=r"no Docker engine at tcp://127\.0\.0\.1:1"):
        DockerSandbox()


def test_docker_without_the_sdk_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(SandboxError, match=r"agentgym-rl\[docker\]"):
        DockerSandbox()


def test_docker_is_not_imported_with_the_package() -> None:
    code = "import sys, agentgym_sandbox.images\nprint('docker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


COUNTS = """
import gc, os, sys
from agentgym_sandbox import DockerSandbox
gc.disable()  # nothing may wait for the collector
for _ in range(3):
    with DockerSandbox(sys.argv[1], warm=1) as sandbox:
        for _ in range(2):
            with sandbox.session() as session:
                session.execute("1")
    print(len(os.listdir("/proc/self/fd")))
"""


def test_docker_sandboxes_leave_no_descriptor(docker: DockerSandbox) -> None:
    command = [sys.executable, "-c", COUNTS, IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, *later = map(int, done.stdout.split())
    assert later == [first, first]


def test_docker_unknown_runtime_is_an_error(docker: DockerSandbox) -> None:
    with (
        DockerSandbox(IMAGE, limits=SMALL, runtime="no-such-runtime") as other,
        pytest.raises(SandboxError, match="no-such-runtime"),
    ):
        other.session()


def test_docker_withstands_every_attack(docker: DockerSandbox) -> None:
    """All in one session, for a container each would take minutes; a lost one is replaced."""
    won = []
    session = docker.session()
    with laid_bait() as bait:
        for attack in ATTACKS:
            if not session.alive:
                session = docker.session()
            if not withstands(session, attack, bait):
                won.append(attack.name)
    session.close()
    assert won == []


@pytest.mark.parametrize("name", CONTRACT)
def test_docker_keeps_the_contract(docker: DockerSandbox, name: str) -> None:
    with docker.session() as session:
        assert CONTRACT[name](session)
