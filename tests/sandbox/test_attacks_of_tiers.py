"""Every attack and the whole contract where sessions are weaker, or their owner is a plain user.

One sandbox a configuration, in a process of its own that meets each attack in a fresh session.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import agentgym_sandbox
from agentgym_sandbox.attacks import ATTACKS, Attack, laid_bait
from agentgym_sandbox.checks import CONTRACT

FOLDER = str(Path(agentgym_sandbox.__file__).parent.parent)
ENVIRONMENT = {"PYTHONPATH": FOLDER, "AGENTGYM_BAIT": "set"}
PLAIN_USER = 54_321
NO_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1" "$2"'
# All that the tier `process` does not stop, and why it does not matter or is not promised.
NOT_STOPPED = {
    "read its size": "Landlock guards contents, not names and sizes (README)",
    "become root": "this user is 0 already, and has no capability: it becomes what it is",
    "run a set-uid program": "the mount is the host's; no_new_privileges takes the bit's effect",
}
MEET_ALL = """
import json, sys
from agentgym_sandbox import Limits, LocalSandbox
from agentgym_sandbox.attacks import ATTACKS, Bait
from agentgym_sandbox.checks import CONTRACT, withstands
bait = Bait(**json.loads(sys.argv[1]))
came_through, broken = [], []
limits = Limits(memory_mb=128, disk_mb=8, grace_s=0.3)
with LocalSandbox(allow_unsafe=True, limits=limits) as sandbox:
    for attack in ATTACKS:
        with sandbox.session() as session:
            if not withstands(session, attack, bait):
                came_through.append(attack.name)
    for name, holds in CONTRACT.items():
        with sandbox.session() as session:
            if not holds(session):
                broken.append(name)
print(json.dumps([sandbox.tier, came_through, broken]))
"""


def _met(command: list[str], *, user: int | None = None) -> tuple[str, set[str], set[str]]:
    """Give the tier, the attacks that came through, and what of the contract was broken."""
    with laid_bait() as bait:
        done = subprocess.run(
            [*command, MEET_ALL, json.dumps(asdict(bait))],
            env=ENVIRONMENT,
            cwd="/",
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
    if "unshare:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    tier, came_through, broken = json.loads(done.stdout)
    return tier, set(came_through), set(broken)


@functools.cache
def _one_process() -> tuple[str, set[str], set[str]]:
    if not shutil.which("unshare"):
        pytest.skip("no unshare program")
    return _met(["unshare", "-U", "-r", "sh", "-c", NO_NAMESPACES, sys.executable])


@functools.cache
def _plain_user() -> tuple[str, set[str], set[str]]:
    if os.geteuid() != 0:
        return _met([sys.executable, "-c"])
    python = shutil.which("python3", path="/usr/bin") or ""
    if not python or not _can_import(python):
        pytest.skip("another user cannot run a Python 3.11 here, or not read this package")
    return _met([python, "-c"], user=PLAIN_USER)


def _can_import(python: str) -> bool:
    done = subprocess.run(
        [python, "-c", "import agentgym_sandbox"],
        env=ENVIRONMENT,
        cwd="/",
        user=PLAIN_USER,
        group=PLAIN_USER,
        extra_groups=[],
        check=False,
    )
    return done.returncode == 0


def _name(attack: Attack) -> str:
    return attack.name


@pytest.mark.parametrize("attack", ATTACKS, ids=_name)
def test_attack_on_one_process_fails_unless_it_is_not_promised(attack: Attack) -> None:
    tier, came_through, _ = _one_process()
    assert (tier, attack.name in came_through) == ("process", attack.name in NOT_STOPPED)


@pytest.mark.parametrize("attack", ATTACKS, ids=_name)
def test_attack_fails_in_a_session_of_a_plain_user(attack: Attack) -> None:
    tier, came_through, _ = _plain_user()
    assert (tier, attack.name in came_through) == ("namespaces", False)


def test_what_is_not_stopped_is_in_the_list_of_attacks() -> None:
    assert {attack.name for attack in ATTACKS} >= set(NOT_STOPPED)


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_holds_for_one_process(name: str) -> None:
    assert name not in _one_process()[2]


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_holds_for_a_plain_user(name: str) -> None:
    assert name not in _plain_user()[2]
