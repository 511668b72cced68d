from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from agentgym.algorithms.losses import (
    LOSSES,
    aggregate,
    cispo,
    denominator,
    entropy_bonus,
    gspo,
    policy_gradient,
    ppo_clip,
    ppo_penalty,
    value_loss,
)
from agentgym.errors import ConfigError

F64 = torch.float64


def test_policy_gradient_by_hand() -> None:
    # rho = exp(log 1.5) = 1.5 and min(exp(log 8), 2) = 2; -A rho logp = 3 * 1.5 * 0.5, 3 * 2 * 1.0
    logprobs = torch.tensor([[-0.5, -1.0]], dtype=F64)
    behaviour = logprobs - torch.tensor([[math.log(1.5), math.log(8.0)]], dtype=F64)
    loss = policy_gradient(
        logprobs, logprobs, behaviour, torch.tensor([3.0], dtype=F64), torch.ones(1, 2)
    )
    assert loss.tolist() == [pytest.approx([2.25, 6.0])]


def test_policy_gradient_without_a_cap_corrects_nothing() -> None:
    logprobs = torch.tensor([[-0.5]], dtype=F64)
    loss = policy_gradient(
        logprobs, logprobs, logprobs - 3.0, torch.tensor([2.0]), torch.ones(1, 1), cap=None
    )
    assert loss.tolist() == [[1.0]]


def test_policy_gradient_takes_advantages_per_token() -> None:
    logprobs = torch.tensor([[-1.0, -1.0]], dtype=F64)
    loss = policy_gradient(
        logprobs, logprobs, logprobs, torch.tensor([[1.0, -2.0]]), torch.ones(1, 2)
    )
    assert loss.tolist() == [[1.0, -2.0]]


def test_policy_gradient_ignores_whatever_stands_under_the_mask() -> None:
    bad = [float("nan"), float("inf"), float("-inf")]
    logprobs = torch.tensor([[-1.0, *bad]], dtype=F64, requires_grad=True)
    mask = torch.tensor([[1, 0, 0, 0]])
    loss = policy_gradient(logprobs, logprobs, logprobs, torch.tensor([2.0]), mask)
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    assert loss.tolist() == [[2.0, 0.0, 0.0, 0.0]]
    assert gradient.tolist() == [[-2.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("how", ["token_mean", "sequence_mean", "constant"])
def test_policy_gradient_agrees_with_finite_differences(how: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator, dtype=F64)
    tokens = torch.randint(5, (2, 3, 1), generator=generator)
    behaviour = torch.log_softmax(logits, -1).gather(-1, tokens).squeeze(-1) - 0.3
    old = torch.log_softmax(logits, -1).gather(-1, tokens).squeeze(-1)
    mask = torch.tensor([[1, 1, 0], [1, 0, 1]])
    total = denominator(how, [2, 2], constant_tokens=3)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        logprobs = torch.log_softmax(logits, -1).gather(-1, tokens).squeeze(-1)
        advantages = torch.tensor([1.5, -0.5], dtype=F64)
        terms = policy_gradient(logprobs, old, behaviour, advantages, mask)
        return aggregate(terms, mask, how, denominator=total)

    assert torch.autograd.gradcheck(loss, logits.requires_grad_())


def test_policy_gradient_estimates_the_gradient_of_the_expected_reward() -> None:
    # One token out of three, reward by token: the loss's gradient, averaged exactly over the
    # policy, is minus the gradient of the expected reward.
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=F64, requires_grad=True)
    rewards = torch.tensor([1.0, 0.0, 0.5], dtype=F64)
    logprobs = torch.log_softmax(logits, -1)
    (exact,) = torch.autograd.grad((logprobs.exp() * rewards).sum(), logits, retain_graph=True)
    column = logprobs.unsqueeze(-1)
    terms = policy_gradient(column, column, column, rewards, torch.ones(3, 1))
    (estimate,) = torch.autograd.grad((logprobs.exp().detach() * terms.squeeze(-1)).sum(), logits)
    torch.testing.assert_close(estimate, -exact)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("token_mean", (1.0 + 2.0 + 6.0) / 3),
        ("sequence_mean", (1.5 + 6.0) / 2),
        ("constant", 9.0 / (2 * 4)),
    ],
)
def test_aggregate_by_hand(how: str, expected: float) -> None:
    terms = torch.tensor([[1.0, 2.0], [6.0, 100.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    total = denominator(how, [2, 1], constant_tokens=4)
    assert float(aggregate(terms, mask, how, denominator=total)) == pytest.approx(expected)


@pytest.mark.parametrize("how", ["token_mean", "sequence_mean", "constant"])
def test_aggregate_of_micro_batches_sums_to_the_whole_batch(how: str) -> None:
    terms = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=F64)
    mask = torch.tensor([[1] * n + [0] * (5 - n) for n in (5, 1, 3, 0, 2, 4)])
    total = denominator(how, [5, 1, 3, 0, 2, 4], constant_tokens=5)
    whole = aggregate(terms, mask, how, denominator=total)
    parts = [
        aggregate(terms[rows], mask[rows], how, denominator=total)
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


def test_aggregate_names_the_nearest_way() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'token_mean'"):
        aggregate(torch.zeros(1, 1), torch.ones(1, 1), "tokenmean", denominator=1.0)


def test_losses_has_the_policy_gradient() -> None:
    assert LOSSES["policy_gradient"] is policy_gradient


def clip_of(ratio: float, advantage: float, **settings: Any) -> tuple[float, float]:
    """Loss of one token with this ratio, and its gradient by the log-probability."""
    logprobs = torch.tensor([[math.log(ratio)]], dtype=F64, requires_grad=True)
    old = torch.zeros(1, 1, dtype=F64)
    loss = ppo_clip(
        logprobs, old, old, torch.tensor([advantage], dtype=F64), torch.ones(1, 1), **settings
    )
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    return loss.item(), gradient.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.1, 1.0, -1.1, -1.1),  # within the range
        (1.5, 1.0, -1.2, 0.0),  # went up enough
        (0.5, 1.0, -0.5, -0.5),  # went down, may come back
        (0.5, -1.0, 0.8, 0.0),  # went down enough
        (1.5, -1.0, 1.5, 1.5),  # went up, may come back
    ],
)
def test_ppo_clip_by_hand(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    assert clip_of(ratio, advantage) == pytest.approx((loss, gradient))


def test_ppo_clip_higher_leaves_more_room_above() -> None:
    assert clip_of(1.25, 1.0, clip_high=0.28) == pytest.approx((-1.25, -1.25))
    assert clip_of(1.25, 1.0, clip_high=0.2) == pytest.approx((-1.2, 0.0))


def test_ppo_clip_dual_bounds_the_loss_of_a_bad_token() -> None:
    assert clip_of(5.0, -2.0, dual_clip=3.0) == pytest.approx((6.0, 0.0))
    assert clip_of(2.5, -2.0, dual_clip=3.0) == pytest.approx((5.0, 5.0))


def test_ppo_clip_by_turn_clips_a_turn_as_a_whole() -> None:
    # factors 1.15 and 1.15 | 1.15: the first turn's product 1.3225 is outside, the second's inside
    logprobs = torch.full((1, 4), math.log(1.15), dtype=F64, requires_grad=True)
    old, mask = torch.zeros(1, 4, dtype=F64), torch.tensor([[1, 1, 0, 1]])
    one = torch.ones(1, dtype=F64)
    loss = ppo_clip(logprobs, old, old, one, mask, ratio="turn", correction=None)
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    assert loss[0].tolist() == pytest.approx([-1.2, -1.2, 0.0, -1.15])
    assert gradient[0].tolist() == pytest.approx([0.0, 0.0, 0.0, -1.15])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_on_policy_has_the_gradient_of_the_policy_gradient(name: str) -> None:
    # nothing moved yet, so whatever is clipped, every loss pushes alike
    logprobs = torch.tensor([[-0.5, -1.0, -2.0], [-0.1, -0.7, -0.2]], dtype=F64).requires_grad_()
    old, mask = logprobs.detach(), torch.tensor([[1, 0, 1], [1, 1, 1]])
    advantages = torch.tensor([0.7, -1.3], dtype=F64)
    (found,) = torch.autograd.grad(
        LOSSES[name](logprobs, old, old, advantages, mask).sum(), logprobs
    )
    torch.testing.assert_close(found, -advantages[:, None] * mask)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_ignores_whatever_stands_under_the_mask(name: str, dtype: torch.dtype) -> None:
    bad = [float("nan"), float("inf"), float("-inf")]
    logprobs = torch.tensor([[-1.0, *bad]], dtype=dtype, requires_grad=True)
    mask = torch.tensor([[1, 0, 0, 0]])
    old = logprobs.detach()
    loss = LOSSES[name](logprobs, old, old, torch.tensor([2.0]), mask)
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    assert loss.dtype == dtype
    assert loss[0, 1:].tolist() == [0.0, 0.0, 0.0]
    assert gradient.tolist() == [[-2.0, 0.0, 0.0, 0.0]]


# the gradient of gspo and cispo is not that of their value, by definition
@pytest.mark.parametrize("name", ["policy_gradient", "ppo_clip", "ppo_penalty"])
def test_loss_agrees_with_finite_differences(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    old = -torch.rand(2, 4, generator=generator, dtype=F64)
    logprobs = old + 0.3 * torch.randn(2, 4, generator=generator, dtype=F64)
    mask = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1]])

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        return LOSSES[name](logprobs, old, old - 0.1, torch.tensor([1.5, -0.5], dtype=F64), mask)

    assert torch.autograd.gradcheck(loss, logprobs.requires_grad_())


def test_gspo_by_sequence_mean_has_the_papers_gradient() -> None:
    # s = (2 * 0.5 * 1.1)^(1/3); three tokens, wide range: d(-s A)/d log pi_t = -s A / 3
    old, mask = torch.zeros(1, 3, dtype=F64), torch.ones(1, 3)
    logprobs = torch.log(torch.tensor([[2.0, 0.5, 1.1]], dtype=F64)).requires_grad_()
    one = torch.ones(1, dtype=F64)
    loss = aggregate(
        gspo(logprobs, old, old, one, mask, clip_low=0.5, clip_high=0.5), mask, "sequence_mean"
    )
    (gradient,) = torch.autograd.grad(loss, logprobs)
    s = 1.1 ** (1 / 3)
    assert loss.item() == pytest.approx(-s)
    assert gradient[0].tolist() == pytest.approx([-s / 3] * 3)


def test_cispo_bounds_the_weight_and_keeps_the_gradient() -> None:
    logprobs = torch.log(torch.tensor([[0.9, 0.3]], dtype=F64)).requires_grad_()
    old = torch.log(torch.tensor([[0.1, 0.3]], dtype=F64))  # ratios 9 and 1
    one = torch.ones(1, dtype=F64)
    loss = cispo(logprobs, old, old, one, torch.ones(1, 2), clip_high=4.0)
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    assert gradient[0].tolist() == pytest.approx([-5.0, -1.0])


def test_ppo_penalty_by_hand() -> None:
    # ratio 2, A 1, coefficient 0.5: -2 + 0.5 * (1 - log 2)
    new, old = torch.tensor([[math.log(2.0)]], dtype=F64), torch.zeros(1, 1, dtype=F64)
    loss = ppo_penalty(new, old, old, torch.ones(1, dtype=F64), torch.ones(1, 1), coefficient=0.5)
    assert loss.item() == pytest.approx(-2 + 0.5 * (1 - math.log(2)))


def test_value_loss_by_hand() -> None:
    # old 0, return 1; value 0.5 clipped to 0.2: (0.2 - 1)^2 / 2 is the worse; 1.5 too
    values = torch.tensor([[0.5, 0.1, 9.0]], dtype=F64)
    zeros, ones = torch.zeros_like(values), torch.ones_like(values)
    mask = torch.tensor([[1, 1, 0]])
    clipped = value_loss(values, zeros, ones, mask, clip=0.2)
    assert clipped[0].tolist() == pytest.approx([0.32, 0.405, 0.0])
    plain = value_loss(values, zeros, ones, mask, clip=None)
    assert plain[0].tolist() == pytest.approx([0.125, 0.405, 0.0])


def test_entropy_bonus_by_hand() -> None:
    found = entropy_bonus(torch.tensor([[2.0, 9.0]]), torch.tensor([[1, 0]]), 0.1)
    assert found[0].tolist() == pytest.approx([-0.2, 0.0])


@pytest.mark.parametrize("how", ["token_mean", "sequence_mean", "constant"])
def test_aggregate_without_a_denominator_takes_this_batch_for_the_whole(how: str) -> None:
    terms = torch.tensor([[1.0, 2.0], [6.0, 100.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    expected = aggregate(terms, mask, how, denominator=denominator(how, [2, 1]))
    assert aggregate(terms, mask, how).item() == pytest.approx(expected.item())
