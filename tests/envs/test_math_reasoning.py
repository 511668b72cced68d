"""Tasks of the package reasoning_gym; without it, what says that it is missing."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from agentgym.check import check
from agentgym.errors import ConfigError, MissingExtra
from agentgym_envs.math.env import Math

RUN_TEXT = (  # their scorers hand the answer to eval or parse_expr
    "binary_matrix",
    "countdown",
    "intermediate_integration",
    "n_queens",
    "polynomial_multiplication",
    "puzzle24",
    "simple_integration",
    "spiral_matrix",
    "string_insertion",
)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(MissingExtra, match=r"pip install 'agentgym-rl\[reasoning-gym\]'"):
        Math(reasoning_gym="leg_counting")


@pytest.fixture
def package() -> Any:
    return pytest.importorskip("reasoning_gym", reason="the extra 'reasoning-gym' is not installed")


def test_dataset_keeps_the_contract(package: Any) -> None:
    kwargs = {"reasoning_gym": "leg_counting", "split": "dev"}
    report = check("agentgym/Math-v0", kwargs=kwargs)
    assert [row for row in report.rows if not row.ok] == []


def test_only_the_full_mark_counts(package: Any) -> None:
    env = Math(reasoning_gym="leg_counting")
    env.reset(options={"task_id": "train-0"})
    right = env.task.answer
    for answer, reward in (
        (f"<think>7?</think>I count. <answer>{right}</answer>", 1.0),
        (f"<answer>1</answer> no, <answer> {right}\n</answer>", 1.0),
        (rf"so \boxed{{{right}}}", 1.0),
        (f"<answer>{right} legs</answer>", 0.0),  # a part mark of the scorer
        (f"<think><answer>{right}</answer>", 0.0),
        (f"<answer>{right}", 0.0),
        ("", 0.0),
    ):
        env.reset(options={"task_id": "train-0"})
        assert env.step(answer)[1] == reward, answer


def test_splits_share_no_question_and_draws_repeat(package: Any) -> None:
    env = Math(reasoning_gym="gcd")
    prompts = {
        split: {env.tasks.get(f"{split}-{n}").prompt for n in range(60)}
        for split in ("train", "dev", "test")
    }
    assert not prompts["train"] & (prompts["dev"] | prompts["test"])
    assert not prompts["dev"] & prompts["test"]
    again = Math(reasoning_gym="gcd").tasks.get("dev-3")
    assert again == env.tasks.get("dev-3")


def test_settings_reach_the_dataset(package: Any) -> None:
    env = Math(reasoning_gym="leg_counting", config={"min_animals": 2, "max_animals": 2})
    env.reset(seed=0)
    entry = env._reasoning.dataset[env.task.metadata["index"]]  # type: ignore[union-attr]
    assert entry["metadata"]["num_animals"] == 2


@pytest.mark.parametrize("name", RUN_TEXT)
def test_scorer_that_runs_an_answer_is_refused(package: Any, name: str) -> None:
    with pytest.raises(ConfigError, match="may run an answer as Python code"):
        Math(reasoning_gym=name)


@pytest.mark.parametrize(
    "name", ["word_sorting", "maze", "acre", "gsm_symbolic", "base_conversion"]
)
def test_oracle_scores_1(package: Any, name: str) -> None:
    env = Math(reasoning_gym=name, split="test")
    for seed in range(3):
        env.reset(seed=seed)
        assert env.step(next(env.oracle()))[1] == 1.0


def test_scorer_that_takes_nonsense_is_refused(package: Any) -> None:
    with pytest.raises(ConfigError, match="gives the full mark to nonsense"):
        Math(reasoning_gym="game_of_life_halting")


def test_unknown_name_setting_and_unsolved_dataset_are_refused(package: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean 'leg_counting'"):
        Math(reasoning_gym="leg_count")
    with pytest.raises(ConfigError, match=r"refuses \{'legs': 3\}"):
        Math(reasoning_gym="leg_counting", config={"legs": 3})
    with pytest.raises(ConfigError, match="config of a reasoning_gym dataset is a mapping"):
        Math(reasoning_gym="leg_counting", config="main")
    with pytest.raises(ConfigError, match="has no solved task of split 'train'"):
        Math(reasoning_gym="rush_hour").tasks.get("train-0")
