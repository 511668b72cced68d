"""The ledger: whole episodes, once, through a crash."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import parity_env  # noqa: F401 - registers the environment

from agentgym.policy.scripted import OraclePolicy
from agentgym.rollout.ledger import Ledger, episode_from_json, episode_to_json
from agentgym.rollout.runner import rollout
from agentgym.types import Group


def groups() -> list[Group]:
    return rollout(OraclePolicy(), "demo/Parity-v0", 3, 2)


def test_episode_survives_json() -> None:
    for group in groups():
        for episode in group.episodes:
            assert episode_from_json(json.loads(episode_to_json(4, episode))) == episode


def test_a_line_is_the_whole_dataclass_of_the_episode() -> None:
    episode = groups()[0].episodes[0]
    assert json.loads(episode_to_json(4, episode)) == json.loads(
        json.dumps({"step": 4, **asdict(episode)})
    )


def test_an_episode_of_an_older_ledger_has_one_version_a_sample() -> None:
    row = json.loads(episode_to_json(4, groups()[0].episodes[0]))
    for sample in row["samples"]:
        del sample["versions"]
        sample["version"] = 6
    samples = episode_from_json(row).samples
    assert [(sample.version, sample.versions) for sample in samples] == [(6, ())]


def test_rewind_keeps_earlier_steps_and_returns_the_groups_of_the_next(tmp_path: Path) -> None:
    first, second, third = groups()
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(0, first)
        ledger.append(1, second)
        ledger.append(2, third)
        assert ledger.rewind(1, 2) == [second]
    steps = [json.loads(line)["step"] for line in (tmp_path / "episodes.jsonl").open()]
    assert steps == [0, 0, 1, 1]


def test_rewind_drops_a_group_that_is_not_whole(tmp_path: Path) -> None:
    first, second, _ = groups()
    path = tmp_path / "episodes.jsonl"
    with Ledger(path) as ledger:
        ledger.append(0, first)
        ledger.append(0, Group(second.task_id, second.seed, second.episodes[:1]))
        assert ledger.rewind(0, 2) == [first]
    assert len(path.read_text().splitlines()) == 2


def test_rewind_drops_a_torn_last_line(tmp_path: Path) -> None:
    first, second, _ = groups()
    path = tmp_path / "episodes.jsonl"
    with Ledger(path) as ledger:
        ledger.append(0, first)
        ledger.append(0, second)
    path.write_bytes(path.read_bytes()[:-20])
    with Ledger(path) as ledger:
        assert ledger.rewind(0, 2) == [first]
        ledger.append(0, second)
    assert len([json.loads(line) for line in path.open()]) == 4


def test_rewind_to_the_beginning_forgets_all(tmp_path: Path) -> None:
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(3, groups()[0])
        assert ledger.rewind(0, 2) == []
    assert (tmp_path / "episodes.jsonl").read_text() == ""
