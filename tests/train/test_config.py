"""The settings of a run: defaults that fit the model, and contradictions refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import agentgym as ag
from agentgym.errors import ConfigError


@pytest.mark.parametrize(
    ("model", "rate", "tokens"),
    [
        ("starter", 2e-4, 64),
        ("cache/agentgym/starter-0123456789ab", 2e-4, 64),
        ("Qwen/Qwen3-1.7B", 1e-6, 1024),
    ],
)
def test_defaults_fit_the_model(model: str, rate: float, tokens: int) -> None:
    config = ag.TrainConfig(model=model)
    assert (config.learning_rate, config.turn_tokens) == (rate, tokens)


def test_given_values_win_over_the_models_defaults() -> None:
    config = ag.TrainConfig(model="Qwen/Qwen3-1.7B", lr=3e-5, max_tokens=7)
    assert (config.learning_rate, config.turn_tokens) == (3e-5, 7)


def test_folder_is_named_after_the_run() -> None:
    config = ag.TrainConfig(env="demo/Shop-v0", algorithm="grpo", seed=4)
    assert config.folder == Path("runs/shop-grpo-s4")


def test_a_group_of_one_is_refused_where_siblings_are_compared() -> None:
    with pytest.raises(ValueError, match="group_size must be at least 2"):
        ag.TrainConfig(group_size=1)
    assert ag.TrainConfig(group_size=1, algorithm="reinforce").group_size == 1


def test_evaluating_on_the_training_split_is_refused() -> None:
    with pytest.raises(ValueError, match="the gain would be measured on the training tasks"):
        ag.TrainConfig(split="test")
    assert ag.TrainConfig(split="test", eval_tasks=0).split == "test"


def test_an_unknown_algorithm_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="rloo"):
        ag.TrainConfig(algorithm="rlo")
