"""Saved episodes verified again: nothing changes by itself, and whatever changed is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import parity_env
import pytest

from agentgym.env import Reply
from agentgym.errors import ConfigError, RunError
from agentgym.evaluate.rescore import Rescored, rescore
from agentgym.evaluate.saved import SavedRun, open_run
from agentgym.evaluate.tasklog import TaskLog, saved_task
from agentgym.policy.base import Policy
from agentgym.policy.scripted import OraclePolicy, RandomPolicy, ScriptedPolicy
from agentgym.rollout.ledger import episode_to_json
from agentgym.rollout.runner import rollout
from agentgym.rollout.spec import EpisodeLimits
from agentgym.tasks import TaskSet
from agentgym.types import Message, SamplingParams, Verdict

ENV = "demo/Parity-v0"


@pytest.fixture(autouse=True)
def _fresh_faults() -> None:
    parity_env.Faulty.attempts.clear()


def saved_run(folder: Path, policy: Policy, env: str = ENV, tasks: int = 4, **how: Any) -> SavedRun:
    """Play an evaluation of two episodes a task, and write its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    how.setdefault("sampling", SamplingParams(30))
    kwargs = how.pop("env_kwargs", {})
    groups = rollout(policy, env, tasks, 2, split="test", env_kwargs=kwargs, **how)
    config = {"policy": policy.name, "environments": {
        env: {"env": env, "kwargs": kwargs, "split": "test"}}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    lines = [{"step": 0, "env": env, **asdict(e)} for group in groups for e in group.episodes]
    (folder / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    core = parity_env.Parity()
    rows = [saved_task(env, core, group.task_id) for group in groups]
    TaskLog(folder / "tasks.jsonl").record(env, rows)
    return open_run(folder)


def whats(found: Rescored) -> list[tuple[str, ...]]:
    return [each.what for each in found.changes]


def answers(monkeypatch: pytest.MonkeyPatch, respond: Callable[[Any, str], Reply]) -> None:
    monkeypatch.setattr(parity_env.Parity, "respond", respond)


def test_rescore_finds_no_change_where_nothing_changed(tmp_path: Path) -> None:
    run = saved_run(tmp_path, RandomPolicy(1))
    found = rescore(run)
    assert not found.changed
    block = found.summary()["environments"][ENV]
    assert (block["scored"], block["unscored"], block["changed"]) == (8, 0, {})
    assert 0.0 < block["old"]["mean"] < 1.0
    assert block["old"] == block["new"]
    assert block["difference"]["mean"] == 0.0


def test_rescore_writes_nothing_into_the_run(tmp_path: Path) -> None:
    run = saved_run(tmp_path, OraclePolicy())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    rescore(run)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_rescore_finds_the_rewards_of_another_verifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy())
    real = parity_env.Parity.respond

    def stricter(self: Any, action: str) -> Reply:
        reply = real(self, action)
        if reply.verdict is None or self.task.id != "test-1":
            return reply
        return Reply(verdict=Verdict(0.25, reason="half measures"))

    answers(monkeypatch, stricter)
    found = rescore(run)
    assert found.changed
    assert whats(found) == [("reward",), ("reward",)]
    assert [(e.task_id, e.index, e.old, e.new) for e in found.changes] == [
        ("test-1", 0, 1.0, 0.25),
        ("test-1", 1, 1.0, 0.25),
    ]
    assert found.changes[0].new_reason == "half measures"
    block = found.summary()["environments"][ENV]
    assert block["changed"] == {"reward": 2}
    assert block["old"]["mean"] == 1.0
    assert block["new"]["mean"] == pytest.approx((1 + 0.25 + 1 + 1) / 4)
    assert block["difference"]["mean"] == pytest.approx(-0.75 / 4)


def test_rescore_finds_another_verdict_of_the_same_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    real = parity_env.Parity.respond

    def chattier(self: Any, action: str) -> Reply:
        reply = real(self, action)
        verdict = reply.verdict and replace(reply.verdict, reason="well done")
        return replace(reply, verdict=verdict)

    answers(monkeypatch, chattier)
    assert whats(rescore(run)) == [("verdict",), ("verdict",)]


def test_rescore_finds_the_turn_that_is_answered_differently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    real = parity_env.Parity.respond

    def politer(self: Any, action: str) -> Reply:
        reply = real(self, action)
        return reply if reply.verdict else Reply((Message("tool", "thank you"),))

    answers(monkeypatch, politer)
    found = rescore(run)
    assert whats(found) == [("observation",), ("observation",)]
    assert [each.turn for each in found.changes] == [1, 1]


def test_rescore_finds_another_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    monkeypatch.setattr(parity_env.Parity, "instructions", "Be brief.")
    found = rescore(run)
    assert whats(found) == [("observation",), ("observation",)]
    assert [each.turn for each in found.changes] == [0, 0]


def test_rescore_finds_episodes_that_end_sooner_and_scores_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    answers(monkeypatch, lambda self, action: Reply(verdict=Verdict(0.0, reason="too late")))
    found = rescore(run)
    assert whats(found) == [("reward", "ending", "observation")] * 2
    assert found.changes[0].new == 0.0


def test_rescore_gives_no_score_where_the_environment_now_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    answers(monkeypatch, lambda self, action: Reply((Message("tool", f"heard {len(action)}"),)))
    found = rescore(run)
    assert whats(found) == [("ending", "unscored")] * 2
    assert [each.new for each in found.changes] == [None, None]
    block = found.summary()["environments"][ENV]
    assert (block["old"]["mean"], block["new"], block["difference"]) == (1.0, None, None)


def test_rescore_finds_what_cannot_be_scored_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)

    def broken(self: Any, action: str) -> Reply:
        raise RuntimeError("the database is gone")

    answers(monkeypatch, broken)
    found = rescore(run)
    assert whats(found) == [("unscored",)] * 2
    assert "the database is gone" in found.changes[0].new_reason


@pytest.mark.parametrize("limits", [EpisodeLimits(turns=1), EpisodeLimits(context=40)])
def test_rescore_finds_no_change_in_what_a_limit_ended(
    limits: EpisodeLimits, tmp_path: Path
) -> None:
    run = saved_run(tmp_path, ScriptedPolicy(["x" * 30, "y"]), tasks=2, limits=limits)
    ends = {saved.episode.limit for saved in run.episodes()}
    assert ends == {"turns" if limits.context is None else "context"}
    assert not rescore(run).changed


def test_rescore_leaves_unscored_episodes_alone(tmp_path: Path) -> None:
    faulty = {"fail_on": {"test-0": 99}}
    run = saved_run(
        tmp_path, OraclePolicy(), "demo/Faulty-v0", tasks=2, env_kwargs=faulty, retries=0
    )
    parity_env.Faulty.attempts.clear()
    found = rescore(run)
    assert not found.changed
    block = found.summary()["environments"]["demo/Faulty-v0"]
    assert (block["scored"], block["unscored"]) == (2, 2)


def test_rescore_finds_tasks_that_changed_and_tasks_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=3)
    kept = [parity_env.TASKS.get(f"test-{n}") for n in (1, 2)]
    changed = [kept[0], replace(kept[1], answer=1)]
    monkeypatch.setattr(parity_env.Parity, "tasks", TaskSet.of(changed))
    found = rescore(run)
    block = found.summary()["environments"][ENV]
    assert block["gone_tasks"] == ["test-0"]
    assert block["changed_tasks"] == ["test-2"]
    assert block["changed"] == {"reward": 2, "gone": 2}
    assert [(each.task_id, each.new) for each in found.changes] == [
        ("test-0", None),
        ("test-0", None),
        ("test-2", 0.0),
        ("test-2", 0.0),
    ]


def test_rescore_says_if_tasks_are_not_on_record(tmp_path: Path) -> None:
    run = saved_run(tmp_path, OraclePolicy(), tasks=1)
    assert rescore(run).tasks_known
    (tmp_path / "tasks.jsonl").unlink()
    assert not rescore(run).tasks_known


def trained(folder: Path) -> SavedRun:
    """Write a training of two steps that took up the same task twice, with other seeds."""
    config = {"algorithm": "rloo", "env": ENV, "env_kwargs": {}, "split": "train"}
    (folder / "config.json").write_text(json.dumps(config))
    lines = []
    for step in (0, 1):
        policy = ScriptedPolicy(["a", "b" * (2 + step)])
        (group,) = rollout(policy, ENV, ["train-1"], 2, seed=step)
        lines += [episode_to_json(step, episode) + "\n" for episode in group.episodes]
    (folder / "episodes.jsonl").write_text("".join(lines))
    return open_run(folder)


def test_rescore_plays_a_training_step_by_step(tmp_path: Path) -> None:
    run = trained(tmp_path)
    assert [saved.episode.reward for saved in run.episodes()] == [0.0, 0.0, 1.0, 1.0]
    assert not rescore(run).changed
    block = rescore(run, step=1).summary()["environments"][ENV]
    assert (block["scored"], block["new"]["mean"]) == (2, 1.0)


def test_rescore_refuses_what_is_not_there(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(ConfigError, match="has no episodes of step 7; nothing can be verified"):
        rescore(run, step=7)


def test_rescore_tells_a_line_that_cannot_be_read(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with (tmp_path / "episodes.jsonl").open("a") as lines:
        lines.write("{}\n")
    with pytest.raises(RunError, match="line 5 cannot be read"):
        rescore(run)
