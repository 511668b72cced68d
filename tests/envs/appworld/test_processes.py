"""What agent code cannot reach from AppWorld's process, and that no process stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentgym_envs.appworld.env import AppWorld
from agentgym_envs.appworld.installation import Installation
from agentgym_sandbox import landlock

MAKE, ASK = "0000000_1", "0000001_1"
# The guard replaces functions of some modules, and leaves the originals in others.
POSIX = ("import appworld", "posix = appworld.common.utils.sys.modules['posix']")
COMPLETE = "apis.supervisor.complete_task()"
SCRIPT = """
import json, os, signal, sys
from agentgym.errors import EnvironmentFault
from agentgym_envs.appworld.env import AppWorld

env = AppWorld(python=sys.argv[1], root=sys.argv[2])

def play():
    env.reset(seed=0)
    print(env.step("```python\\nprint('ready')\\n```")[0], flush=True)

play()
template = env._template
said = {"pids": [env.serve().pid, template.pid], "folder": template.folder}
print(json.dumps(said), flush=True)
"""


def played(env: AppWorld, *code: str, task_id: str = MAKE) -> tuple[str, float]:
    env.split = {MAKE: "train", ASK: "dev"}[task_id]
    env.reset(seed=0, options={"task_id": task_id})
    return again(env, *code)


def again(env: AppWorld, *code: str) -> tuple[str, float]:
    return env.step("```python\n" + "\n".join(code) + "\n```")[:2]


@pytest.fixture
def confined(env: AppWorld) -> AppWorld:
    env.reset(seed=0)
    if not env.serve().hidden:
        pytest.skip("the kernel has no Landlock")
    return env


@pytest.mark.parametrize(
    "path", ["data/tasks/{task}/ground_truth/answer.json", "data/tasks/{task}/specs.json", "data"]
)
def test_task_root_cannot_be_read(confined: AppWorld, warm: Installation, path: str) -> None:
    target = os.path.join(warm.root, path.format(task=ASK))
    read = f"print(posix.open({target!r}, 0))"
    assert "PermissionError" in played(confined, *POSIX, read, task_id=ASK)[0]


def test_ground_truth_cannot_be_loaded(env: AppWorld) -> None:
    load = f"print(appworld.task.Task.load({ASK!r}).ground_truth.answer)"
    observation, _ = played(env, "import appworld", load, task_id=ASK)
    assert "The ground_truth directory" in observation
    assert "rice" not in observation


def test_memory_holds_no_ground_truth(env: AppWorld) -> None:
    look = (
        "import appworld",
        "sys = appworld.common.utils.sys",
        "found = sys.modules['gc'].get_objects()",
        "kinds = {type(each).__name__ for each in found}",
        "print(len(found) > 1000, 'GroundTruth' in kinds, 'evaluation' in sys.modules)",
    )
    assert played(env, *look)[0] == "True False False"


@pytest.mark.parametrize("name", ["environ", "root/etc/hostname", "cwd"])
def test_other_processes_cannot_be_looked_into(confined: AppWorld, name: str) -> None:
    look = f"print(posix.open(f'/proc/{os.getpid()}/{name}', 0))"
    assert "PermissionError" in played(confined, *POSIX, look)[0]


def test_only_the_own_folder_can_be_written(confined: AppWorld, tmp_path: Path) -> None:
    write = f"posix.open({str(tmp_path / 'x')!r}, posix.O_CREAT | posix.O_WRONLY)"
    assert "PermissionError" in played(confined, *POSIX, write)[0]


def test_network_is_out_of_reach(env: AppWorld) -> None:
    env.reset(seed=0)
    if not env.serve().offline:
        pytest.skip("no network namespace can be made")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ask = f"appworld.environment.requests.get({url!r}, timeout=0.5)"
        assert "ConnectionError" in again(env, "import appworld", ask)[0]


@pytest.mark.skipif(landlock.version() < 6, reason="the kernel's Landlock does not scope signals")
def test_other_processes_cannot_be_killed(confined: AppWorld) -> None:
    assert confined._template is not None
    kill = f"posix.kill({confined._template.pid}, 9)"
    assert "PermissionError" in played(confined, *POSIX, kill)[0]
    assert confined._template.alive


def test_missing_file_rules_are_warned_of(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox's module is out of reach, as if the kernel had no Landlock."""
    monkeypatch.setattr("agentgym_sandbox.__file__", "/nowhere/agentgym_sandbox/__init__.py")
    root = tmp_path / "root"
    root.symlink_to(installation.root)
    env = AppWorld(python=installation.python, root=str(root))
    env.reset(seed=0, options={"task_id": MAKE})
    with pytest.warns(RuntimeWarning, match="could read AppWorld's ground truth"):
        assert not env.serve().hidden
    assert [env.step(action)[1] for action in env.oracle()] == [1.0]
    env.close()


def test_patched_evaluation_counts_for_nothing(env: AppWorld) -> None:
    patches = (
        "import appworld",
        "appworld.evaluator.TestTracker.success = property(lambda self: True)",
        "appworld.evaluator.evaluate_task = None",
        "appworld.AppWorld.evaluate = None",
    )
    assert played(env, *patches, COMPLETE) == ("Execution successful.", 0.0)


def test_patches_do_not_outlive_their_episode(env: AppWorld) -> None:
    played(env, "import appworld", "appworld.AppWorld.mark = 1", "print = None")
    probe = ("import appworld", "print(hasattr(appworld.AppWorld, 'mark'))")
    assert played(env, *probe)[0] == "False"


def test_memory_is_limited(env: AppWorld) -> None:
    assert played(env, "x = bytearray(4 << 30)")[0].endswith("MemoryError")
    assert again(env, "print(1)")[0] == "1"


def ran(installation: Installation, then: str) -> tuple[list[str], dict[str, object], int]:
    """Run an episode in a process of its own, and then something; return what it said."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + then, installation.python, installation.root],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    first, facts, *rest = done.stdout.splitlines() or [done.stderr]
    assert first == "ready", done.stderr
    return rest, json.loads(facts), done.returncode


def gone(facts: dict[str, object]) -> bool:
    return not any(_runs(pid) for pid in facts["pids"]) and not Path(str(facts["folder"])).exists()  # type: ignore[attr-defined]


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_killed_owner_leaves_no_process(installation: Installation) -> None:
    _, facts, code = ran(installation, "os.kill(os.getpid(), signal.SIGKILL)")
    assert code == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while not gone(facts):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_template_is_a_fault_and_close_leaves_no_process(
    installation: Installation,
) -> None:
    said, facts, code = ran(
        installation,
        "os.kill(template.pid, signal.SIGKILL)\n"
        "template._process.wait()\n"
        "try:\n    env.step('```python\\nx = 1\\n```')\n"
        "except EnvironmentFault as error:\n    print(type(error).__name__)\n"
        "play()\n"
        "second = env._template\n"
        "pids = [env.serve().pid, second.pid]\n"
        "env.close()\n"
        "print([os.path.exists(f'/proc/{pid}') for pid in pids], os.path.exists(second.folder))\n",
    )
    assert (said, code) == (["EnvironmentFault", "ready", "[False, False] False"], 0)
    assert gone(facts)
