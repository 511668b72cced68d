"""A task that comes twice in one step, as it does where there are few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import parity_env  # noqa: F401 - registers the environment

from agentgym.policy.scripted import OraclePolicy
from agentgym.rollout.ledger import Ledger
from agentgym.rollout.runner import rollout
from agentgym.types import Group


def twice() -> tuple[Group, Group]:
    """Two groups of one task, told apart by what their episodes say."""
    (group,) = rollout(OraclePolicy(), "demo/Parity-v0", 1, 2)
    second = tuple(replace(episode, reason="second") for episode in group.episodes)
    return group, replace(group, episodes=second)


def test_rewind_returns_both_groups_of_a_task(tmp_path: Path) -> None:
    first, second = twice()
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(0, first)
        ledger.append(0, second)
        assert ledger.rewind(0, 2) == [first, second]


def test_rewind_keeps_the_whole_one_of_two_groups(tmp_path: Path) -> None:
    first, second = twice()
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(0, first)
        ledger.append(0, replace(second, episodes=second.episodes[:1]))
        assert ledger.rewind(0, 2) == [first]


def test_rewind_drops_a_part_of_a_step_where_only_a_whole_one_is_of_use(tmp_path: Path) -> None:
    first, second = twice()
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(0, first)
        ledger.append(1, second)
        assert ledger.rewind(1, 2, least=2) == []
        assert ledger.rewind(0, 2, least=1) == [first]
