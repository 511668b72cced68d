"""Padding and micro-batches."""

from __future__ import annotations

import pytest
import torch

from agentgym.train.batch import WeightedSample, micro_batches, pad
from agentgym.types import Sample


def item(length: int, advantage: float = 1.0) -> WeightedSample:
    ids = tuple(range(1, length + 1))
    mask = tuple(int(n >= 2) for n in range(length))
    return WeightedSample(Sample(ids, mask, tuple(-0.1 * n for n in range(length))), advantage)


def test_pad_aligns_everything_with_the_next_token() -> None:
    batch = pad([item(4, 2.0), item(3, -1.0)])
    assert batch.ids.tolist() == [[1, 2, 3, 4], [1, 2, 3, 0]]
    assert batch.mask.tolist() == [[False, True, True], [False, True, False]]
    assert batch.behaviour_logprobs[0].tolist() == pytest.approx([-0.1, -0.2, -0.3])
    assert batch.advantages.tolist() == [[2.0] * 3, [-1.0] * 3]


def test_pad_masks_by_length_even_where_the_pad_id_was_sampled() -> None:
    batch = pad([WeightedSample(Sample((5, 0, 0), (0, 1, 1), (0.0, -1.0, -1.0)))])
    assert batch.mask.tolist() == [[True, True]]


def test_pad_refuses_a_sequence_without_a_next_token() -> None:
    with pytest.raises(ValueError, match="at least two tokens"):
        pad([item(1)])


def test_micro_batches_hold_every_sample_once_within_the_budget() -> None:
    items = [item(2 + n % 7) for n in range(40)]
    batches = list(micro_batches(items, 24))
    assert sum(batch.ids.shape[0] for batch in batches) == 40
    assert all(batch.ids.numel() <= 24 for batch in batches)
    assert sum(int(batch.mask.sum()) for batch in batches) == sum(2 + n % 7 - 2 for n in range(40))


def test_micro_batches_give_a_long_sequence_its_own_batch() -> None:
    shapes = [tuple(batch.ids.shape) for batch in micro_batches([item(50), item(2)], 10)]
    assert shapes == [(1, 2), (1, 50)]


def test_batch_moves_whole() -> None:
    moved = pad([item(3)]).to(torch.device("meta"))
    assert {t.device.type for t in (moved.ids, moved.mask, moved.advantages)} == {"meta"}
