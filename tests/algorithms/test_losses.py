from __future__ import annotations

import math

import pytest
import torch

from agentgym.algorithms.losses import LOSSES, aggregate, denominator, policy_gradient
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
