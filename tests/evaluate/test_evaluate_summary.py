from __future__ import annotations

import json

import pytest

from agentgym.evaluate.runner import Evaluation, summarise
from agentgym.types import Episode, Group, Turn

TURN = Turn("a", "", prompt_tokens=10, sampled_tokens=4, finish_reason="stop")


def episode(task: str, index: int, reward: float | None, **fields: object) -> Episode:
    status = "unscored" if reward is None else "scored"
    reason = "the sandbox died" if reward is None else ""
    given = {"turns": (TURN, TURN)} | fields
    return Episode(task, index, 0, status, reward, reason, **given)  # type: ignore[arg-type]


def groups(**rewards: list[float | None]) -> list[Group]:
    return [
        Group(task, 0, tuple(episode(task, i, reward) for i, reward in enumerate(row)))
        for task, row in rewards.items()
    ]


def summed(played: list[Group], rollouts: int) -> Evaluation:
    return summarise(played, env="demo/E-v0", policy="p", split="test", rollouts=rollouts)


def test_summarise_takes_the_mean_over_task_means() -> None:
    evaluation = summed(groups(a=[1.0, 1.0], b=[0.25, 0.75], c=[0.0, 0.0]), 2)
    assert evaluation.score is not None
    assert evaluation.score.mean == 0.5
    # task means 1, 0.5, 0: std 0.5, t(0.975, 2) = 4.302653
    assert evaluation.score.high == pytest.approx(0.5 + 4.302653 * 0.5 / 3**0.5, abs=1e-5)


def test_summarise_never_counts_an_unscored_episode_as_a_failure() -> None:
    evaluation = summed(groups(a=[1.0, None], b=[1.0, 1.0]), 2)
    assert evaluation.score is not None
    assert evaluation.score.mean == 1.0
    assert (evaluation.scored, evaluation.errors) == (3, 1)
    assert evaluation.reasons == {"the sandbox died": 1}
    assert evaluation.scores() == {"a": [1.0], "b": [1.0, 1.0]}


def test_summarise_of_nothing_scored_has_no_mean() -> None:
    evaluation = summed(groups(a=[None]), 1)
    assert (evaluation.score, evaluation.turns, evaluation.pass_at_k) == (None, None, {})
    assert evaluation.summary()["mean"] is None


def test_summarise_gives_unbiased_pass_at_k_over_tasks_with_enough_rollouts() -> None:
    played = groups(a=[1.0, 0.0, 0.0, 0.0], b=[1.0, 1.0, 1.0, 1.0], c=[0.0, 0.0, None, 0.0])
    # k=1: (1/4 + 1 + 0) / 3; k=2: (1/2 + 1 + 0) / 3; k=4: c has only three, so (1 + 1) / 2
    expected = {1: 1.25 / 3, 2: 1.5 / 3, 4: 1.0}
    assert summed(played, 4).pass_at_k == pytest.approx(expected)


def test_summarise_gives_unbiased_pass_hat_k_over_tasks_with_enough_rollouts() -> None:
    played = groups(a=[1.0, 0.0, 1.0, 0.0], b=[1.0, 1.0, 1.0, 1.0], c=[0.0, 1.0, None, 0.0])
    # k=1: (1/2 + 1 + 1/3) / 3; k=2: (1/6 + 1 + 0) / 3; k=4: c has only three, so (0 + 1) / 2
    expected = {1: (1 / 2 + 1 + 1 / 3) / 3, 2: (1 / 6 + 1) / 3, 4: 0.5}
    evaluation = summed(played, 4)
    assert evaluation.pass_hat_k == pytest.approx(expected)
    assert evaluation.block()["pass_hat_k"]["4"] == pytest.approx(0.5)
    assert list(evaluation.block()["pass_hat_k_ci95"]) == ["1", "2", "4"]


def test_summarise_counts_only_full_reward_as_solved() -> None:
    assert summed(groups(a=[0.99, 1.0]), 2).pass_at_k == {1: 0.5, 2: 1.0}


def test_summarise_counts_turns_tokens_and_limits() -> None:
    played = [Group("a", 0, (episode("a", 0, 0.0, truncated=True, limit="turns"),))]
    evaluation = summed(played, 1)
    assert evaluation.turns == 2.0
    assert (evaluation.sampled_tokens, evaluation.prompt_tokens) == (8, 20)
    assert evaluation.limits == {"turns": 1}


def test_summary_is_json_even_for_one_task() -> None:
    summary = json.loads(json.dumps(summed(groups(a=[1.0]), 1).summary(), allow_nan=False))
    assert (summary["mean"], summary["ci95"]) == (1.0, [None, None])
    assert (summary["tasks"], summary["rollouts"]) == (1, 1)
    assert summary["pass_at_k"] == {"1": 1.0}
