"""Advantages by token, and rows that go into other batches."""

from __future__ import annotations

import pytest
import torch

from agentgym.algorithms.presets import mixed, preset
from agentgym.train.batch import WeightedSample, pad
from agentgym.train.prepared import Prepared, credited, rows_of, stacked, whitened
from agentgym.types import Sample


def item(mask: tuple[int, ...], worth: float) -> WeightedSample:
    ids = tuple(range(1, len(mask) + 1))
    return WeightedSample(Sample(ids, mask, (0.0,) * len(mask)), worth)


TWO_TURNS = item((0, 1, 0, 1, 1), 2.0)


def test_a_discount_counts_turns() -> None:
    batch = pad([TWO_TURNS])
    found = credited(batch, {}, mixed("rloo", {"gamma": 0.5}), 0.0)
    assert found["advantages"].tolist() == [[1.0, 0.0, 2.0, 2.0]]


def test_a_divergence_in_the_reward_is_paid_by_the_tokens_that_led_there() -> None:
    batch = pad([TWO_TURNS])
    known = {
        "old": torch.tensor([[-1.0, 0.0, -1.0, -1.0]]),
        "reference": torch.tensor([[-2.0, 9.0, -1.0, -3.0]]),
    }
    algorithm = mixed("rloo", {"kl": "reward", "kl_coefficient": 0.1})
    found = credited(batch, known, algorithm, 0.1)
    # penalties -0.1, 0 and -0.2: the first token pays for all, the last for its own
    assert found["advantages"][0].tolist() == pytest.approx([1.7, 0.0, 1.8, 1.8])


def test_gae_gives_advantages_and_returns() -> None:
    batch = pad([TWO_TURNS])
    known = {"values": torch.tensor([[0.5, 9.0, 1.0, 1.5]])}
    found = credited(batch, known, preset("ppo"), 0.0)
    assert found["advantages"][0].tolist() == pytest.approx([1.5, 0.0, 1.0, 0.5])
    assert found["returns"][0].tolist() == pytest.approx([2.0, 0.0, 2.0, 2.0])


def test_rows_come_back_in_another_batch() -> None:
    items = [item((0, 1, 1), 1.0), item((0, 1, 0, 1), -1.0)]
    batch = pad(items)
    known = {
        "old": torch.tensor([[1.0, 2.0, 99.0], [3.0, 0.0, 4.0]]),
        "states": torch.arange(8.0).reshape(4, 2),
    }
    rows = rows_of(items, batch, known)
    again = stacked(rows[::-1], 3)
    assert again["old"].tolist() == [[3.0, 0.0, 4.0], [1.0, 2.0, 0.0]]
    assert again["states"].tolist() == [[4.0, 5.0], [6.0, 7.0], [0.0, 1.0], [2.0, 3.0]]
    assert stacked(items, 3) == {}


def test_whitened_is_over_all_sampled_tokens() -> None:
    # sampled: 1 1 | 0; mean 2/3, variance 1/3
    rows = [
        Prepared(Sample((1, 2, 3), (0, 1, 1), (0.0,) * 3), 1.0, {"advantages": torch.ones(2)}),
        Prepared(Sample((1, 2, 3), (0, 0, 1), (0.0,) * 3), 0.0, {"advantages": torch.zeros(2)}),
    ]
    found = [each.rows["advantages"].tolist() for each in whitened(rows)]
    assert found[0] == pytest.approx([3**0.5 / 3] * 2, abs=1e-6)
    assert found[1] == pytest.approx([0.0, -2 * 3**0.5 / 3], abs=1e-6)
