from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.algorithms.advantages import (
    ADVANTAGES,
    dr_grpo,
    group_advantages,
    grpo,
    has_signal,
    reinforce,
    rloo,
)
from agentgym.errors import ConfigError

REWARDS = st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=16)


def tensor(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_reinforce_is_the_reward_less_a_constant() -> None:
    assert reinforce(tensor([1.0, 0.0])).tolist() == [1.0, 0.0]
    assert reinforce(tensor([1.0, 0.0]), baseline=0.25).tolist() == [0.75, -0.25]


def test_rloo_by_hand() -> None:
    # the mean of the others is 1/3 for each success and 2/3 for each failure
    expected = [2 / 3, 2 / 3, -2 / 3, -2 / 3]
    assert rloo(tensor([1.0, 1.0, 0.0, 0.0])).tolist() == pytest.approx(expected)


def test_dr_grpo_by_hand() -> None:
    assert dr_grpo(tensor([1.0, 0.0, 0.0, 0.0])).tolist() == [0.75, -0.25, -0.25, -0.25]


def test_grpo_by_hand() -> None:
    # rewards 1 0: mean 0.5, std with one degree of freedom sqrt(0.5) = 0.7071068
    expected = 0.5 / (0.5**0.5 + 1e-4)
    assert grpo(tensor([1.0, 0.0])).tolist() == pytest.approx([expected, -expected])


@settings(deadline=None)
@given(REWARDS)
def test_rloo_sums_to_zero(rewards: list[float]) -> None:
    assert float(rloo(tensor(rewards)).sum()) == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None)
@given(REWARDS)
def test_rloo_is_the_mean_of_the_others_left_out(rewards: list[float]) -> None:
    total, others = sum(rewards), len(rewards) - 1
    expected = [reward - (total - reward) / others for reward in rewards]
    assert rloo(tensor(rewards)).tolist() == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(REWARDS)
def test_rloo_is_a_multiple_of_dr_grpo(rewards: list[float]) -> None:
    count = len(rewards)
    expected = dr_grpo(tensor(rewards)) * (count / (count - 1))
    torch.testing.assert_close(rloo(tensor(rewards)), expected)


@pytest.mark.parametrize("name", ["rloo", "grpo", "dr_grpo"])
@settings(deadline=None)
@given(rewards=REWARDS, shift=st.floats(-5, 5))
def test_baselines_ignore_a_constant_reward(name: str, rewards: list[float], shift: float) -> None:
    shifted = ADVANTAGES[name](tensor(rewards) + shift)
    torch.testing.assert_close(shifted, ADVANTAGES[name](tensor(rewards)), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
@settings(deadline=None)
@given(rewards=REWARDS)
def test_advantages_do_not_depend_on_the_order(name: str, rewards: list[float]) -> None:
    reverse = ADVANTAGES[name](tensor(rewards[::-1])).flip(0)
    torch.testing.assert_close(reverse, ADVANTAGES[name](tensor(rewards)), atol=1e-9, rtol=1e-9)


@settings(deadline=None)
@given(st.floats(0.5, 4))
def test_grpo_ignores_the_scale_of_rewards(scale: float) -> None:
    rewards = tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    torch.testing.assert_close(grpo(rewards * scale), grpo(rewards), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["rloo", "grpo", "dr_grpo"])
def test_baselines_refuse_a_group_of_one(name: str) -> None:
    with pytest.raises(ValueError, match="at least two"):
        ADVANTAGES[name](tensor([1.0]))


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_group_advantages_takes_the_baseline_over_scored_siblings_only(name: str) -> None:
    scored = group_advantages(name, [1.0, 0.0, 0.0])
    assert group_advantages(name, [None, 1.0, 0.0, None, 0.0]) == [
        None,
        scored[0],
        scored[1],
        None,
        scored[2],
    ]


@pytest.mark.parametrize("name", ["rloo", "grpo", "dr_grpo"])
def test_group_advantages_without_two_scored_episodes_gives_nothing(name: str) -> None:
    assert group_advantages(name, [None, 1.0, None]) == [None, None, None]


@pytest.mark.parametrize("name", ["rloo", "grpo", "dr_grpo"])
def test_group_advantages_of_equal_rewards_are_exactly_zero(name: str) -> None:
    assert group_advantages(name, [0.1, 0.1, None, 0.1]) == [0.0, 0.0, None, 0.0]


def test_group_advantages_of_reinforce_needs_no_sibling() -> None:
    assert group_advantages("reinforce", [None, 1.0]) == [None, 1.0]


def test_group_advantages_of_an_unscored_group_gives_nothing() -> None:
    assert group_advantages("reinforce", [None, None]) == [None, None]


def test_group_advantages_names_the_nearest_method() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'rloo'"):
        group_advantages("rlo", [1.0, 0.0])


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [([1.0, 0.0], True), ([1.0, 1.0], False), ([1.0, None], False), ([], False)],
)
def test_has_signal_where_scored_siblings_differ(
    rewards: list[float | None], expected: bool
) -> None:
    assert has_signal(rewards) is expected
