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


def test_parts_are_the_presets_where_none_is_set() -> None:
    parts = ag.TrainConfig(algorithm="loop").parts
    assert (parts.advantage, parts.loss, parts.epochs) == ("rloo", "ppo_clip", 2)
    assert parts.clip_low == pytest.approx(1 - 1 / 1.1)


def test_parts_may_be_mixed() -> None:
    parts = ag.TrainConfig(algorithm="loop", ratio="turn", advantage="dr_grpo", clip_low=0.3).parts
    assert (parts.ratio, parts.advantage, parts.clip_low) == ("turn", "dr_grpo", 0.3)


def test_a_contradiction_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="use loss='ppo_clip', or epochs=1"):
        ag.TrainConfig(epochs=3)


def test_an_advantage_that_compares_siblings_needs_some() -> None:
    with pytest.raises(ValueError, match="group_size must be at least 2"):
        ag.TrainConfig(algorithm="reinforce", advantage="rloo", group_size=1)


def test_an_unknown_setting_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="no setting 'algoritm'; perhaps you meant 'algorithm'"):
        ag.TrainConfig(algoritm="loop")  # type: ignore[call-arg]


@pytest.mark.parametrize("given", [0.5, "0.5"])
def test_a_constant_baseline_is_a_number(given: float | str) -> None:
    assert ag.TrainConfig(algorithm="reinforce", baseline=given).parts.baseline == "0.5"  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", [{"top_p": 0.9}, {"top_k": 50}, {"min_p": 0.1}])
def test_sampling_from_a_part_of_the_distribution_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="samples from another distribution"):
        ag.TrainConfig(**setting)


def test_a_bound_without_a_cap_is_refused() -> None:
    with pytest.raises(ValueError, match="set importance_cap, or leave mismatch out"):
        ag.TrainConfig(importance_cap=None, mismatch="sequence_mask")
