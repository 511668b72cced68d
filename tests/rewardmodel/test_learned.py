"""A learned reward as a rule: its score, its faults, threads, and an environment with it."""

from __future__ import annotations

import copy
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import agentgym as ag
from agentgym.errors import ConfigError, EnvironmentFault, Unscored
from agentgym.rewardmodel import learned
from agentgym.rewardmodel.learned import LearnedReward
from agentgym.rewardmodel.model import CARD
from agentgym.rewards import Rubric
from agentgym.train.loop import Run
from agentgym.types import Message, Task

TASK = Task("t", "number?", "gold")


@pytest.fixture
def rule(trained: Run) -> LearnedReward:
    return LearnedReward(trained.path)


def raw(rule: LearnedReward, answer: str) -> float:
    return rule.rewards(["number?"], [answer])[0]


def test_score_is_the_sigmoid_of_the_standardised_reward(trained: Run, rule: LearnedReward) -> None:
    scale = trained.summary["reward"]
    reward = raw(rule, "4321")
    found = rule(TASK, "4321")
    z = (reward - scale["mean"]) / scale["std"]
    assert found.score == pytest.approx(1 / (1 + math.exp(-z)), abs=1e-6)
    assert found.reason == f"reward {reward:.4f}"
    assert (found.name, found.weight) == ("learned", 1.0)


def test_score_of_better_answers_is_higher(rule: LearnedReward) -> None:
    scores = [rule(TASK, text).score for text in ("0001", "3333", "9989")]
    assert scores == sorted(scores)
    assert scores[0] < 0.3
    assert scores[2] > 0.7


def test_model_folder_and_run_folder_are_the_same(trained: Run, rule: LearnedReward) -> None:
    assert LearnedReward(trained.model)(TASK, "12").score == rule(TASK, "12").score


def test_messages_are_judged_as_the_text_that_they_hold(rule: LearnedReward) -> None:
    assert rule(TASK, [Message("assistant", "12")]) == rule(TASK, "12")
    assert rule(TASK, [Message("assistant", "1"), Message("tool", "2")]).score > 0


def test_model_is_loaded_at_the_first_call_and_shared(trained: Run) -> None:
    one, other = LearnedReward(trained.path), LearnedReward(trained.path)
    assert one._scorer is None
    one(TASK, "1")
    other(TASK, "1")
    assert one._scorer is other._scorer
    assert copy.deepcopy(one)._scorer is None


def test_threads_get_the_rewards_of_their_own_answers(rule: LearnedReward) -> None:
    answers = [f"{n * 37 % 10_000:04d}" for n in range(200)]
    alone = [rule(TASK, answer).score for answer in answers]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda answer: rule(TASK, answer).score, answers))
    assert together == pytest.approx(alone, abs=1e-5)


def test_waiting_calls_are_scored_together(
    rule: LearnedReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(TASK, "1")
    scorer = rule._scorer
    assert scorer is not None
    sizes: list[int] = []
    plain = scorer.score_many

    def counted(samples: Any, most: int) -> list[float]:
        sizes.append(len(samples))
        return plain(samples, most)

    monkeypatch.setattr(scorer, "score_many", counted)
    scorer._forward.acquire()  # the forward of an earlier call
    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(rule, TASK, str(n)) for n in range(6)]
        while len(scorer._waiting) < 6:
            pass
        scorer._forward.release()
        assert all(0 < future.result().score < 1 for future in futures)
    assert sizes == [6]


def test_failed_forward_is_told_to_all_who_wait_and_is_no_score(
    rule: LearnedReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(TASK, "1")

    def broken(*_: Any) -> list[float]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(rule._scorer, "score_many", broken)
    with pytest.raises(Unscored, match="out of memory"):
        rule(TASK, "1")
    monkeypatch.setattr(rule._scorer, "score_many", lambda samples, most: [math.nan])
    with pytest.raises(Unscored, match="gave nan"):
        rule(TASK, "1")


def test_answer_too_long_for_the_model_is_worth_nothing(rule: LearnedReward) -> None:
    found = rule(TASK, "9" * 300)
    assert found.score == 0.0
    assert "the reward model reads 256" in found.reason


def test_prompt_too_long_for_the_model_is_a_fault(rule: LearnedReward) -> None:
    with pytest.raises(Unscored, match="the prompt of task 'long' has"):
        rule(Task("long", "x" * 300), "1")


def test_what_is_no_text_is_the_callers_mistake(rule: LearnedReward) -> None:
    with pytest.raises(ConfigError, match="judges a text or messages, not dict"):
        rule(TASK, {"cart": 1})


def test_folder_without_a_reward_model_is_refused_at_once(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="no reward model in"):
        LearnedReward(tiny)


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan])
def test_card_without_a_scale_is_refused(trained: Run, tmp_path: Path, std: float) -> None:
    (tmp_path / CARD).write_text(json.dumps({"mean": 0.0, "std": std}))
    with pytest.raises(ConfigError, match="has no scale"):
        LearnedReward(tmp_path)


def test_model_without_a_head_is_refused(trained: Run, tmp_path: Path) -> None:
    shutil.copytree(trained.model, tmp_path / "model")
    (tmp_path / "model" / "reward_head.safetensors").unlink()
    with pytest.raises(ConfigError, match="no reward head in"):
        LearnedReward(tmp_path)(TASK, "1")


def test_rubric_weighs_it_beside_other_rules(rule: LearnedReward) -> None:
    verdict = Rubric({"right": lambda task, answer: False, "learned": rule})(TASK, "12")
    assert verdict.score == pytest.approx(verdict.rules[1].score / 2)
    assert verdict.reason.startswith("failed: right; learned 0.")


def evaluation(trained: Run) -> Any:
    import taste_env  # noqa: F401 - registers the environment

    from agentgym.policy.scripted import OraclePolicy

    return ag.evaluate(
        "demo/Taste-v0",
        OraclePolicy(),
        tasks=8,
        rollouts=2,
        split="train",
        env_kwargs={"reward_model": str(trained.path)},
    )


def test_environment_with_it_is_scored_in_its_threads(trained: Run) -> None:
    result = evaluation(trained)
    episodes = [episode for group in result.groups for episode in group.episodes]
    assert [episode.status for episode in episodes] == ["scored"] * 16
    for episode in episodes:
        right, liked = episode.verdict.rules
        assert (right.score, liked.weight) == (1.0, 3.0)
        assert episode.reward == pytest.approx((1 + 3 * liked.score) / 4)


def test_environment_is_unscored_where_the_reward_model_fails(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> float:
        raise Unscored("no memory")

    monkeypatch.setattr(learned._Scorer, "score", broken)
    result = evaluation(trained)
    episodes = [episode for group in result.groups for episode in group.episodes]
    assert {episode.reward for episode in episodes} == {None}
    assert "no memory" in episodes[0].reason
    assert issubclass(Unscored, EnvironmentFault)
