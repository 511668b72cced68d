"""Drawing tokens: the distribution, point masses, and seeds."""

from __future__ import annotations

import pytest
import torch

from agentgym.policy.draw import draw, uniforms
from agentgym.types import SamplingParams


def test_draw_inverts_the_distribution_function() -> None:
    """Probabilities 1/4, 0, 3/4: numbers below 1/4 give the first token, all others the third."""
    logits = torch.tensor([[1.0, 0.0, 3.0]]).log().expand(4, 3)
    numbers = torch.tensor([0.0, 0.2499, 0.25, 0.9999], dtype=torch.float64)
    ids, logprobs = draw(logits, torch.ones(4), numbers)
    assert ids.tolist() == [0, 0, 2, 2]
    assert logprobs.exp().tolist() == pytest.approx([0.25, 0.25, 0.75, 0.75])


def test_draw_divides_by_the_temperature_of_each_row() -> None:
    """Odds of 9 are odds of 3 at temperature 2; at 0 the likeliest is certain."""
    logits = torch.tensor([[0.0, 9.0]]).log().nan_to_num(neginf=0.0).expand(3, 2)
    numbers = torch.full((3,), 0.2, dtype=torch.float64)
    ids, logprobs = draw(logits, torch.tensor([1.0, 2.0, 0.0]), numbers)
    assert ids.tolist() == [1, 0, 1]
    assert logprobs.exp().tolist() == pytest.approx([0.9, 0.25, 1.0])


def test_draw_gives_each_token_its_share() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log().expand(40_000, 4)
    numbers = torch.rand(40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ids, _ = draw(logits, torch.ones(40_000), numbers)
    shares = ids.bincount(minlength=4) / 40_000
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)


def test_uniforms_of_a_turn_are_its_seeds_and_begin_alike_whatever_its_length() -> None:
    short, long = (uniforms(SamplingParams(count, seed=3)) for count in (5, 9))
    assert (len(short), len(long)) == (5, 9)
    assert long[:5] == short
    assert uniforms(SamplingParams(5, seed=4)) != short
