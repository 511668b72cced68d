"""Advantages by token: discounting and GAE over turns, by hand; and the rest of the estimators."""

from __future__ import annotations

import pytest
import torch

from agentgym.algorithms.advantages import (
    MovingAverage,
    discounted_returns,
    gae,
    raft,
    reinforce,
    reinforce_pp,
    rloo,
    terminal_rewards,
    whiten,
)
from agentgym.errors import ConfigError

MASK = torch.tensor([[0, 1, 1, 0, 0, 1, 0]])  # two turns: two tokens, then one


def tensor(values: list[float] | list[list[float]]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_terminal_rewards_stand_on_the_last_sampled_token() -> None:
    mask = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]])
    placed = terminal_rewards(tensor([2.0, 3.0, 5.0]), mask)
    assert placed.tolist() == [[0, 0, 2.0, 0], [0, 0, 0, 3.0], [0, 0, 0, 0]]


def test_discounted_returns_by_turn() -> None:
    # 1.0 at the end: the last turn's return is 1, the first turn's 0.5, for both of its tokens
    rewards = terminal_rewards(tensor([1.0]), MASK)
    returns = discounted_returns(rewards, MASK, gamma=0.5)
    assert returns.tolist() == [[0, 0.5, 0.5, 0, 0, 1.0, 0]]


def test_discounted_returns_by_token() -> None:
    rewards = terminal_rewards(tensor([1.0]), MASK)
    returns = discounted_returns(rewards, MASK, gamma=0.5, per="token")
    assert returns.tolist() == [[0, 0.25, 0.5, 0, 0, 1.0, 0]]


def test_discounted_returns_of_a_reward_that_an_observation_brought() -> None:
    # 4 after the first turn belongs to that turn, undiscounted; 2 at the end costs one turn
    rewards = tensor([[9.0, 0, 0, 4.0, 0, 2.0, 0]])
    returns = discounted_returns(rewards, MASK, gamma=0.5)
    assert returns.tolist() == [[0, 5.0, 5.0, 0, 0, 2.0, 0]]


def test_discounted_returns_of_a_long_episode_do_not_underflow() -> None:
    mask = torch.ones(1, 5000)
    rewards = terminal_rewards(tensor([1.0]), mask)
    returns = discounted_returns(rewards, mask, gamma=0.5, per="token")
    assert returns[0, -2:].tolist() == [0.5, 1.0]
    assert torch.isfinite(returns).all()


def test_gae_looks_across_an_observation() -> None:
    # gamma 1, lambda 0.5; values 0.2, 0.4 | 0.6; reward 1 on the last token
    # d3 = 1 - 0.6 = 0.4; d2 = 0.6 - 0.4 = 0.2; d1 = 0.4 - 0.2 = 0.2
    # A3 = 0.4; A2 = 0.2 + 0.5 * 0.4 = 0.4; A1 = 0.2 + 0.5 * 0.4 = 0.4
    values = tensor([[7.0, 0.2, 0.4, 7.0, 7.0, 0.6, 7.0]])
    rewards = terminal_rewards(tensor([1.0]), MASK)
    advantages, returns = gae(rewards, values, MASK, gamma=1.0, lam=0.5)
    assert advantages[0].tolist() == pytest.approx([0, 0.4, 0.4, 0, 0, 0.4, 0])
    assert returns[0].tolist() == pytest.approx([0, 0.6, 0.8, 0, 0, 1.0, 0])


def test_gae_does_not_depend_on_what_the_environment_said() -> None:
    short = gae(tensor([[0.0, 1.0]]), tensor([[0.3, 0.6]]), torch.ones(1, 2), gamma=0.9, lam=0.8)
    gap = gae(
        tensor([[0.0, 0.0, 0.0, 1.0]]),
        tensor([[0.3, 5.0, -5.0, 0.6]]),
        torch.tensor([[1, 0, 0, 1]]),
        gamma=0.9,
        lam=0.8,
    )
    assert gap[0][0, [0, 3]].tolist() == short[0][0].tolist()


def test_gae_gives_a_reward_on_a_masked_token_to_the_turn_before_it() -> None:
    values = torch.zeros(1, 7, dtype=torch.float64)
    advantages, _ = gae(tensor([[0.0, 0, 0, 0, 2.0, 0, 1.0]]), values, MASK, gamma=1.0, lam=1.0)
    assert advantages.tolist() == [[0, 3.0, 3.0, 0, 0, 1.0, 0]]


def test_gae_with_lambda_1_is_the_return_less_the_value() -> None:
    values = torch.randn(1, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rewards = terminal_rewards(tensor([1.0]), MASK)
    advantages, returns = gae(rewards, values, MASK, gamma=1.0, lam=1.0)
    torch.testing.assert_close(advantages, (1.0 - values) * MASK)
    torch.testing.assert_close(returns, MASK.double())


def test_gae_of_an_episode_that_was_cut_off_goes_on_with_its_last_value() -> None:
    # d = 0 + 0.5 * 4 - 1 = 1
    advantages, _ = gae(
        tensor([[0.0]]),
        tensor([[1.0]]),
        torch.ones(1, 1),
        gamma=0.5,
        lam=1.0,
        last_values=tensor([4.0]),
    )
    assert advantages.tolist() == [[1.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_functions_keep_the_type(dtype: torch.dtype) -> None:
    rewards = torch.tensor([1.0, 0.0], dtype=dtype)
    rows = terminal_rewards(rewards, torch.ones(2, 3))
    found = [
        reinforce(rewards, "batch_mean"),
        reinforce_pp(rewards),
        raft(rewards),
        rows,
        discounted_returns(rows, torch.ones(2, 3), gamma=0.9),
        *gae(rows, rows, torch.ones(2, 3)),
    ]
    assert {tensor.dtype for tensor in found} == {dtype}


def test_estimators_take_many_groups_at_once() -> None:
    groups = tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    torch.testing.assert_close(rloo(groups), torch.stack([rloo(group) for group in groups]))


def test_reinforce_with_the_mean_of_the_batch() -> None:
    assert reinforce(tensor([[1.0, 0.0], [1.0, 1.0]]), "batch_mean").tolist() == [
        [0.25, -0.75],
        [0.25, 0.25],
    ]


def test_reinforce_with_a_moving_average_of_earlier_batches() -> None:
    average = MovingAverage(decay=0.5)
    assert reinforce(tensor([1.0, 0.0]), average).tolist() == [1.0, 0.0]  # nothing known yet
    # (0.5 * 0.5 * 1 + 0.5 * 0) / (0.25 + 0.5): the later batch counts twice
    average = average.updated([1.0, 1.0]).updated([0.0])
    assert average.value == pytest.approx(1 / 3)
    assert reinforce(tensor([1.0]), average).tolist() == [pytest.approx(2 / 3)]
    assert average.updated([]) is average


def test_reinforce_names_the_nearest_baseline() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'batch_mean'"):
        reinforce(tensor([1.0]), "batchmean")  # type: ignore[arg-type]


def test_raft_takes_the_best_where_there_is_a_success() -> None:
    rewards = tensor([[0.2, 0.9, 0.9], [0.0, 0.0, 0.0], [1.0, 0.0, 0.5]])
    assert raft(rewards).tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert raft(tensor([0.2, 0.4]), threshold=0.5).tolist() == [0, 0]


def test_reinforce_pp_by_hand() -> None:
    # mean 0.5, variance 4 * 0.25 / 3 = 1/3: ±0.5 * sqrt(3)
    found = reinforce_pp(tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert found.tolist() == [pytest.approx([0.8660254, -0.8660254])] * 2


def test_reinforce_pp_with_a_group_baseline_divides_all_groups_by_one_number() -> None:
    # centred: ±0.5 and ±0.05; one scale, so the second stays a tenth of the first
    found = reinforce_pp(tensor([[1.0, 0.0], [0.1, 0.0]]), group_baseline=True)
    assert (found[1] / found[0]).tolist() == pytest.approx([0.1, 0.1])


def test_whiten_of_fewer_than_two_values_is_zero() -> None:
    assert whiten(tensor([[3.0, 9.0]]), torch.tensor([[1, 0]])).tolist() == [[0.0, 0.0]]
