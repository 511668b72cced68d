"""Rollouts: groups in order, faults that cost their own episode only, limits, lockstep."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import parity_env
import pytest

import agentgym as ag
from agentgym.errors import ConfigError, PolicyFault, UnknownEnvironment, UnknownTask
from agentgym.policy.base import TurnContext
from agentgym.policy.scripted import OraclePolicy, ScriptedPolicy
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.runner import arollout, group_seed, rollout
from agentgym.types import Completion, Group, SamplingParams


@pytest.fixture(autouse=True)
def _fresh_faults() -> None:
    parity_env.Faulty.attempts.clear()


def test_rollout_returns_groups_in_the_order_of_the_tasks() -> None:
    ids = ["train-5", "train-0", "train-3"]
    groups = rollout(OraclePolicy(), "demo/Parity-v0", ids, 3)
    assert [group.task_id for group in groups] == ids
    assert [[e.index for e in group.episodes] for group in groups] == [[0, 1, 2]] * 3
    assert {e.reward for group in groups for e in group.episodes} == {1.0}


def test_rollout_gives_siblings_one_seed() -> None:
    groups = rollout(OraclePolicy(), "demo/Parity-v0", 2, 4, seed=9)
    for group in groups:
        assert {e.seed for e in group.episodes} == {group_seed(9, group.task_id)}


def test_rollout_records_each_turn() -> None:
    ((episode,),) = [
        g.episodes for g in rollout(ScriptedPolicy(["abc", "de"]), "demo/Parity-v0", 1)
    ]
    assert [turn.action for turn in episode.turns] == ["abc", "de"]
    assert [turn.observation for turn in episode.turns] == ["heard 3", ""]
    assert [turn.sampled_tokens for turn in episode.turns] == [4, 3]  # with the stop token
    assert [m.role for m in episode.messages] == ["user", "assistant", "tool", "assistant"]
    assert episode.terminated
    assert not episode.truncated


def test_rollout_plays_hundreds_of_episodes_at_once() -> None:
    seen: list[int] = []

    def say(messages: object) -> str:
        seen.append(threading.active_count())
        return "x"

    groups = rollout(ScriptedPolicy(say), "demo/Parity-v0", 12, 25, concurrency=300)
    assert sum(len(group.episodes) for group in groups) == 300
    assert max(seen) >= 200


def test_rollout_retries_an_environment_that_raises_on_a_fresh_one() -> None:
    kwargs = {"fail_on": {"train-1": 2}}
    groups = rollout(OraclePolicy(), "demo/Faulty-v0", 3, 1, env_kwargs=kwargs, retries=2)
    assert [g.episodes[0].attempts for g in groups] == [1, 3, 1]
    assert [g.episodes[0].reward for g in groups] == [1.0, 1.0, 1.0]


def test_rollout_leaves_an_episode_unscored_when_the_budget_is_spent() -> None:
    kwargs = {"fail_on": {"train-1": 99}}
    groups = rollout(OraclePolicy(), "demo/Faulty-v0", 3, 1, env_kwargs=kwargs, retries=1)
    assert [g.episodes[0].status for g in groups] == ["scored", "unscored", "scored"]
    lost = groups[1].episodes[0]
    assert lost.reward is None
    assert lost.attempts == 2
    assert "the database is gone" in lost.reason


def test_rollout_gives_up_an_environment_that_hangs() -> None:
    kwargs = {"fail_on": {"train-1": 1}, "how": "hang"}
    limits = ag.EpisodeLimits(env_s=0.5)
    groups = rollout(OraclePolicy(), "demo/Faulty-v0", 3, 1, env_kwargs=kwargs, limits=limits)
    assert [g.episodes[0].reward for g in groups] == [1.0, 1.0, 1.0]
    assert groups[1].episodes[0].attempts == 2


def test_rollout_unscores_an_episode_that_outlives_its_time() -> None:
    class Slow(ScriptedPolicy):
        async def sample(
            self,
            prompt_ids: Sequence[int],
            params: SamplingParams,
            context: TurnContext | None = None,
        ) -> Completion:
            await asyncio.sleep(60)
            raise AssertionError

    limits = ag.EpisodeLimits(wall_s=0.2)
    (group,) = rollout(Slow(["x"]), "demo/Parity-v0", 1, retries=0, limits=limits)
    assert group.episodes[0].status == "unscored"
    assert "outlived 0.2 s" in group.episodes[0].reason


def test_rollout_unscores_what_an_engine_failed_to_sample() -> None:
    class Broken(ScriptedPolicy):
        async def sample(
            self,
            prompt_ids: Sequence[int],
            params: SamplingParams,
            context: TurnContext | None = None,
        ) -> Completion:
            raise PolicyFault("the engine died")

    (group,) = rollout(Broken(["x"]), "demo/Parity-v0", 1, 2, retries=1)
    assert [e.status for e in group.episodes] == ["unscored", "unscored"]
    assert group.episodes[0].reason == "the engine died"


def test_rollout_truncates_and_scores_at_the_turn_limit() -> None:
    limits = ag.EpisodeLimits(turns=1)
    (group,) = rollout(OraclePolicy(), "demo/Parity-v0", 1, limits=limits)
    (episode,) = group.episodes
    assert (episode.status, episode.reward, episode.limit) == ("scored", 0.0, "turns")
    assert episode.truncated


def test_rollout_truncates_at_the_context_limit() -> None:
    limits = ag.EpisodeLimits(context=30)  # the prompt takes 23 ids, the first turn the rest
    (group,) = rollout(ScriptedPolicy(["x" * 20, "y"]), "demo/Parity-v0", 1, limits=limits)
    (episode,) = group.episodes
    assert (episode.reward, episode.limit, len(episode.turns)) == (0.0, "context", 1)


@pytest.mark.parametrize(("tokens", "limit"), [(8, "tokens"), (9, None)])
def test_rollout_truncates_where_the_policy_has_written_its_tokens(
    tokens: int, limit: str | None
) -> None:
    policy = ScriptedPolicy(["seven..", "x"])  # 8 tokens with the end of the turn, then 2
    limits = ag.EpisodeLimits(tokens=tokens)
    ((episode,),) = [g.episodes for g in rollout(policy, "demo/Parity-v0", 1, limits=limits)]
    assert (episode.status, episode.truncated, episode.limit) == (
        "scored",
        limit is not None,
        limit,
    )


def test_rollout_refuses_a_context_that_cannot_hold_the_first_prompt() -> None:
    limits = ag.EpisodeLimits(context=10)
    with pytest.raises(ConfigError, match="context of 10 tokens is too short"):
        rollout(OraclePolicy(), "demo/Parity-v0", 1, limits=limits)


def test_rollout_refuses_an_unknown_task() -> None:
    with pytest.raises(UnknownTask, match="no task 'nope'"):
        rollout(OraclePolicy(), "demo/Parity-v0", ["nope"])


def test_rollout_refuses_an_unknown_environment() -> None:
    with pytest.raises(UnknownEnvironment, match="demo/Parity-v0"):
        rollout(OraclePolicy(), "demo/Pariti-v0", ["train-0"])


def test_rollout_works_inside_a_running_event_loop() -> None:
    async def as_in_a_notebook() -> list[Group]:
        return rollout(OraclePolicy(), "demo/Parity-v0", 2)

    groups = asyncio.run(as_in_a_notebook())
    assert [g.episodes[0].reward for g in groups] == [1.0, 1.0]


def test_arollout_runs_inside_an_event_loop() -> None:
    groups = asyncio.run(arollout(OraclePolicy(), "demo/Parity-v0", 2))
    assert [g.episodes[0].reward for g in groups] == [1.0, 1.0]


def test_rollout_reports_each_group_once_when_it_is_whole() -> None:
    reported: list[tuple[str, int]] = []
    rollout(
        OraclePolicy(),
        "demo/Parity-v0",
        4,
        3,
        on_group=lambda group: reported.append((group.task_id, len(group.episodes))),
    )
    assert sorted(reported) == [(f"train-{n}", 3) for n in range(4)]


def test_rollout_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    rollout(OraclePolicy(), "demo/Parity-v0", 12, 4)
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]


class Rounds(ScriptedPolicy):
    """Notes the order in which requests arrive."""

    def __init__(self) -> None:
        super().__init__(lambda messages: "x")
        self.order: list[int | None] = []

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        self.order.append(params.seed)
        return await super().sample(prompt_ids, params, context)


def test_deterministic_rollout_asks_in_the_same_order_each_time() -> None:
    orders = []
    for _ in range(3):
        policy = Rounds()
        rollout(policy, "demo/Parity-v0", 6, 4, concurrency=5, deterministic=True, seed=3)
        orders.append(policy.order)
    assert len(set(orders[0])) == 48  # 24 episodes of two turns, a seed for each
    assert orders[0] == orders[1] == orders[2]


def test_deterministic_rollout_survives_a_fault() -> None:
    kwargs = {"fail_on": {"train-1": 1}}
    groups = rollout(
        OraclePolicy(), "demo/Faulty-v0", 4, 2, env_kwargs=kwargs, deterministic=True, concurrency=3
    )
    assert {e.reward for g in groups for e in g.episodes} == {1.0}


def test_rollouts_that_share_a_pool_share_their_environments() -> None:
    before = set(threading.enumerate())
    with EnvPool() as envs:
        for _ in range(3):
            rollout(OraclePolicy(), "demo/Parity-v0", 4, 2, concurrency=5, envs=envs)
            threads = [t for t in set(threading.enumerate()) - before if t.name == "agentgym-env"]
            assert len(threads) == 5
    for thread in threads:
        thread.join(5)
    assert not [thread for thread in threads if thread.is_alive()]
