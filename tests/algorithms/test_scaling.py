"""Scaling of rewards, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.algorithms.scaling import (
    RunningScale,
    clipped,
    overlength_penalty,
    symmetric_log,
)


def test_running_scale_by_hand() -> None:
    # 1, 3 then 5: mean 3, variance (4 + 0 + 4) / 2 = 4
    state = RunningScale().updated(torch.tensor([1.0, 3.0])).updated(torch.tensor([[5.0]]))
    assert (state.count, state.mean, state.std) == (3, pytest.approx(3.0), pytest.approx(2.0))
    assert state.apply(torch.tensor([5.0])).tolist() == [pytest.approx(1.0)]
    assert state.apply(torch.tensor([5.0]), centre=False).tolist() == [pytest.approx(2.5)]


def test_running_scale_before_two_rewards_leaves_the_size() -> None:
    assert RunningScale().apply(torch.tensor([7.0]), eps=0.0).tolist() == [7.0]
    assert RunningScale().updated(torch.tensor([])) == RunningScale()


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=1, max_size=6))
def test_running_scale_by_batches_is_that_of_all_at_once(batches: list[list[float]]) -> None:
    state = RunningScale()
    for batch in batches:
        state = state.updated(torch.tensor(batch, dtype=torch.float64))
    everything = torch.tensor([x for batch in batches for x in batch], dtype=torch.float64)
    assert state.mean == pytest.approx(everything.mean().item(), abs=1e-9)
    if len(everything) > 1:
        assert state.std == pytest.approx(everything.std().item(), abs=1e-6)


def test_clipped_and_symmetric_log_by_hand() -> None:
    rewards = torch.tensor([-20.0, -0.5, 0.0, math.e - 1])
    assert clipped(rewards, 1.0).tolist() == [-1.0, -0.5, 0.0, 1.0]
    expected = [-math.log(21), -math.log(1.5), 0.0, 1.0]
    assert symmetric_log(rewards).tolist() == pytest.approx(expected)


def test_overlength_penalty_falls_over_the_buffer() -> None:
    tokens = torch.tensor([10, 80, 90, 100, 130])
    found = overlength_penalty(tokens, longest=100, buffer=20)
    assert found.tolist() == [0.0, 0.0, -0.5, -1.0, -1.0]


def test_overlength_penalty_refuses_a_buffer_beyond_the_limit() -> None:
    with pytest.raises(ValueError, match=r"within 1 and longest \(100\), got 101"):
        overlength_penalty(torch.tensor([1]), longest=100, buffer=101)
