"""Every attack of the list: stopped in a session, and real in a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentgym_sandbox
from agentgym_sandbox.attacks import ATTACKS, Attack, Bait, laid_bait
from agentgym_sandbox.base import Sandbox
from agentgym_sandbox.checks import CONTRACT, withstands
from agentgym_sandbox.session import LocalSession

FOLDER = str(Path(agentgym_sandbox.__file__).parent.parent)


@pytest.fixture(scope="module")
def bait() -> Iterator[Bait]:
    with laid_bait() as bait:
        yield bait


def _name(attack: Attack) -> str:
    return attack.name


@pytest.mark.parametrize("attack", ATTACKS, ids=_name)
def test_attack_fails_in_a_local_session(
    session: LocalSession, attack: Attack, bait: Bait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTGYM_BAIT", "set")
    assert withstands(session, attack, bait)


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.bare], ids=_name)
def test_attack_succeeds_in_a_bare_interpreter(attack: Attack, bait: Bait, tmp_path: Path) -> None:
    code = attack.source(bait) + "\nprint('WON:', bool(won))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"AGENTGYM_BAIT": "set", "PATH": "/usr/bin:/bin", "PYTHONPATH": FOLDER},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if "WON: True" not in done.stdout and _is_confined():
        pytest.skip("this machine confines its own processes: a refusal may be theirs")
    assert "WON: True" in done.stdout, done.stderr


def _is_confined() -> bool:
    """Whether we run below a system call filter or no_new_privileges, as containers may have."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return any(fields.get(name, "0").strip() != "0" for name in ("Seccomp", "NoNewPrivs"))


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_holds_in_a_local_session(session: LocalSession, name: str) -> None:
    assert CONTRACT[name](session)


def test_attacks_are_a_hundred_and_named_apart() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 100


def test_attacks_find_an_open_door(sandbox: Sandbox, bait: Bait) -> None:
    """The judge itself: code that wins is not taken for one that lost."""
    with sandbox.session() as session:
        assert not withstands(session, Attack("none", "won = True"), bait)
        assert not withstands(session, Attack("hangs", "while True: pass"), bait)
