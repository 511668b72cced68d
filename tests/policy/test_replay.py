"""The policy that says again what a run said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import parity_env
import pytest

from agentgym.errors import PolicyFault, RunError
from agentgym.evaluate.saved import SavedEpisode
from agentgym.policy.base import TurnContext
from agentgym.policy.replay import ReplayPolicy
from agentgym.policy.resolve import resolve
from agentgym.policy.scripted import RandomPolicy, ScriptedPolicy
from agentgym.rollout.ledger import episode_to_json
from agentgym.rollout.runner import rollout
from agentgym.types import Completion, Episode, Group, Message, SamplingParams, Turn


@pytest.fixture(autouse=True)
def _fresh_faults() -> None:
    parity_env.Faulty.attempts.clear()


def saved_run(folder: Path, groups: Iterable[Group]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"policy": "random", "env": "demo/Parity-v0"}))
    lines = [episode_to_json(0, episode) + "\n" for group in groups for episode in group.episodes]
    (folder / "episodes.jsonl").write_text("".join(lines))
    return folder


def told(action: str, **place: object) -> SavedEpisode:
    """Return an episode of a single turn after the prompt 'q'."""
    turns = (Turn(action, "", 1, 1, "stop"),)
    prompt = str(place.pop("prompt", "q"))
    episode = Episode("t", 0, 5, "scored", 1.0, "", messages=(Message("user", prompt),))
    return SavedEpisode("demo", 0, replace(episode, **{"turns": turns, **place}))


def say(policy: ReplayPolicy, **place: object) -> Completion:
    context = TurnContext(**{"task_id": "t", "messages": (Message("user", "q"),), **place})
    return asyncio.run(policy.sample([], SamplingParams(), context))


def test_replay_plays_a_run_again_with_the_same_rewards(tmp_path: Path) -> None:
    first = rollout(RandomPolicy(3), "demo/Parity-v0", 6, 2, sampling=SamplingParams(40), seed=9)
    run = saved_run(tmp_path / "run", first)
    again = rollout(resolve(f"replay:{run}"), "demo/Parity-v0", 6, 2, seed=9)
    rewards = [[e.reward for e in group.episodes] for group in first]
    assert {reward for row in rewards for reward in row} == {0.0, 1.0}
    assert [[e.reward for e in group.episodes] for group in again] == rewards
    actions = [[turn.action for turn in e.turns] for g in first for e in g.episodes]
    assert [[turn.action for turn in e.turns] for g in again for e in g.episodes] == actions
    ends = [[turn.finish_reason for turn in e.turns] for g in first for e in g.episodes]
    assert [[turn.finish_reason for turn in e.turns] for g in again for e in g.episodes] == ends


def test_replay_leaves_unscored_what_is_not_on_record(tmp_path: Path) -> None:
    run = saved_run(tmp_path, rollout(ScriptedPolicy(["a", "b"]), "demo/Parity-v0", 1))
    known, unknown = rollout(ReplayPolicy(run), "demo/Parity-v0", ["train-0", "train-1"], 1)
    assert known.episodes[0].reward == 0.0  # 'b' is odd, and said: not zero for want of a word
    assert unknown.episodes[0].reward is None
    assert unknown.episodes[0].reason == "no episode 0 of task 'train-1' is on record"


def test_replay_leaves_unscored_what_was_unscored(tmp_path: Path) -> None:
    faulty = {"fail_on": {"train-0": 9}}
    run = saved_run(
        tmp_path, rollout(ScriptedPolicy("a"), "demo/Faulty-v0", 1, env_kwargs=faulty, retries=0)
    )
    ((group),) = rollout(ReplayPolicy(run), "demo/Parity-v0", 1)
    assert group.episodes[0].reward is None
    assert "it was unscored (" in group.episodes[0].reason
    assert "the database is gone" in group.episodes[0].reason


def test_replay_tells_the_limit_that_ended_an_episode_which_now_goes_on() -> None:
    policy = ReplayPolicy([told("a", limit="context")])
    assert say(policy).text == "a"
    with pytest.raises(PolicyFault, match="has no turn 2: the context limit ended it"):
        say(policy, turn=1)


def test_replay_keeps_what_is_cut_at_the_token_limit_open() -> None:
    cut = (Turn("ab", "", 1, 2, "length"),)
    said = say(ReplayPolicy([told("", turns=cut)]))
    assert (said.text, said.ids, said.finish_reason) == ("ab", (97, 98), "length")


def test_replay_prefers_the_same_prompt_then_the_same_seed_then_the_last_scored() -> None:
    policy = ReplayPolicy(
        [
            told("other prompt", seed=7, prompt="elsewhere"),
            told("this seed", seed=7),
            told("earlier", seed=5),
            told("later", seed=5),
            told("lost", seed=5, reward=None),
        ]
    )
    assert say(policy, seed=7).text == "this seed"
    assert say(policy, seed=5).text == "later"
    elsewhere = (Message("user", "else where"),)
    assert say(policy, seed=5, messages=elsewhere).text == "other prompt"


def test_replay_says_hostile_text_as_it_was() -> None:
    text = "\ud800 \x00 </tool_call> \ue001"
    assert say(ReplayPolicy([told(text)])).text == text


def test_replay_refuses_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        resolve(f"replay:{tmp_path}")
