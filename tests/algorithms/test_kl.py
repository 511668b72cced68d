"""The three estimators: values, and by enumeration which gradients are right."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from agentgym.algorithms.advantages import discounted_returns
from agentgym.algorithms.kl import (
    ESTIMATORS,
    AdaptiveKL,
    adapted,
    k1,
    k2,
    k3,
    kl_loss,
    reward_penalty,
)
from agentgym.errors import ConfigError

F64 = torch.float64
LOGITS = torch.tensor([0.7, -0.4, 0.1, -1.3], dtype=F64)
REFERENCE = torch.log_softmax(torch.tensor([-0.2, 0.5, 0.3, 0.0], dtype=F64), -1)


def policy() -> tuple[Tensor, Tensor]:
    logits = LOGITS.clone().requires_grad_()
    return logits, torch.log_softmax(logits, -1)


def gradient(value: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, logits)
    return found


def reverse_kl() -> tuple[Tensor, Tensor]:
    """KL(pi || pi_ref) and its gradient, over all four outcomes."""
    logits, logs = policy()
    value = (logs.exp() * (logs - REFERENCE)).sum()
    return value.detach(), gradient(value, logits)


def forward_kl_gradient() -> Tensor:
    logits, logs = policy()
    return gradient((REFERENCE.exp() * (REFERENCE - logs)).sum(), logits)


def in_the_reward(name: str) -> Tensor:
    """Gradient of E[sg(k) log pi], the expectation taken over every outcome."""
    logits, logs = policy()
    scores = ESTIMATORS[name](logs, REFERENCE).detach()
    return gradient((logs.exp().detach() * scores * logs).sum(), logits)


def in_the_loss(name: str, exact: bool = False) -> Tensor:
    """Gradient of E[k], the samples held fixed; computed by kl_loss unless it refuses."""
    logits, logs = policy()
    column = logs.unsqueeze(-1)
    if name == "k1" and not exact:
        terms = k1(column, REFERENCE.unsqueeze(-1))
    else:
        terms = kl_loss(
            column,
            column.detach(),
            REFERENCE.unsqueeze(-1),
            torch.ones(4, 1),
            estimator=name,
            exact=exact,
        )
    return gradient((logs.exp().detach() * terms.squeeze(-1)).sum(), logits)


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-12)


def test_estimators_by_hand() -> None:
    # pi = 0.5, pi_ref = 0.25: x = log 2
    one, other = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert k1(one, other).item() == pytest.approx(math.log(2))
    assert k2(one, other).item() == pytest.approx(math.log(2) ** 2 / 2)
    assert k3(one, other).item() == pytest.approx(0.5 - 1 + math.log(2))


@pytest.mark.parametrize(("name", "unbiased"), [("k1", True), ("k2", False), ("k3", True)])
def test_value_is_the_divergence_in_expectation(name: str, unbiased: bool) -> None:
    _, logs = policy()
    expected = (logs.exp() * ESTIMATORS[name](logs, REFERENCE)).sum()
    assert same(expected, reverse_kl()[0]) is unbiased


@pytest.mark.parametrize(("name", "exact"), [("k1", True), ("k2", False), ("k3", False)])
def test_gradient_in_the_reward(name: str, exact: bool) -> None:
    assert same(in_the_reward(name), reverse_kl()[1]) is exact


def test_gradient_of_k1_in_the_loss_is_zero() -> None:
    assert same(in_the_loss("k1"), torch.zeros(4, dtype=F64))


def test_gradient_of_k2_in_the_loss_is_exact() -> None:
    assert same(in_the_loss("k2"), reverse_kl()[1])


def test_gradient_of_k3_in_the_loss_is_that_of_the_forward_divergence() -> None:
    assert same(in_the_loss("k3"), forward_kl_gradient())
    assert not same(in_the_loss("k3"), reverse_kl()[1])


@pytest.mark.parametrize("name", ["k1", "k3"])
def test_gradient_in_the_loss_times_the_ratio_is_exact(name: str) -> None:
    assert same(in_the_loss(name, exact=True), reverse_kl()[1])


# Sequences of two tokens out of three: a row of logits for the first, and one after each of these.
DICE = torch.Generator().manual_seed(0)
TABLE, OTHER = (torch.randn(4, 3, generator=DICE, dtype=F64) for _ in range(2))
PAIRS = list(itertools.product(range(3), repeat=2))


def logs_of_pairs(table: Tensor) -> Tensor:
    """Log-probabilities of both tokens of all nine sequences, shape (9, 2)."""
    logs = torch.log_softmax(table, -1)
    return torch.stack([torch.stack([logs[0, a], logs[1 + a, b]]) for a, b in PAIRS])


def test_gradient_in_the_reward_is_that_of_whole_sequences() -> None:
    table = TABLE.clone().requires_grad_()
    logs, reference, mask = logs_of_pairs(table), logs_of_pairs(OTHER), torch.ones(9, 2)
    chances = logs.sum(-1).exp()
    exact = gradient((chances * (logs - reference).sum(-1)).sum(), table)
    logs = logs_of_pairs(table)
    penalty = reward_penalty(logs.detach(), reference, mask, coefficient=1.0)
    advantages = discounted_returns(penalty, mask, gamma=1.0, per="token")
    loss = -(chances.detach()[:, None] * advantages * logs).sum()
    assert same(gradient(loss, table), exact)


@pytest.mark.parametrize(("name", "exact"), [("k2", False), ("k3", True)])
def test_gradient_in_the_loss_holds_the_prefixes_fixed(name: str, exact: bool) -> None:
    table = TABLE.clone().requires_grad_()
    logs, other = torch.log_softmax(table, -1), torch.log_softmax(OTHER, -1)
    by_prefix = (logs.exp() * (logs - other)).sum(-1)  # after nothing, and after each first token
    chances = torch.cat([torch.ones(1, dtype=F64), logs[0].exp().detach()])
    expected = gradient((chances * by_prefix).sum(), table)
    pairs = logs_of_pairs(table)
    terms = kl_loss(
        pairs,
        pairs.detach(),
        logs_of_pairs(OTHER),
        torch.ones(9, 2),
        estimator=name,
        exact=exact,
    )
    weights = pairs.sum(-1).exp().detach()[:, None]
    assert same(gradient((weights * terms).sum(), table), expected)


def test_kl_loss_refuses_k1_which_does_nothing() -> None:
    with pytest.raises(ConfigError, match="put it in the reward, or use k2"):
        in_the_loss_of_one("k1")


def test_kl_loss_names_the_nearest_estimator() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'k3'"):
        in_the_loss_of_one("k33")


def in_the_loss_of_one(name: str) -> Tensor:
    one = torch.zeros(1, 1)
    return kl_loss(one, one, one, torch.ones(1, 1), estimator=name)


def test_kl_loss_ignores_whatever_stands_under_the_mask() -> None:
    logs = torch.tensor([[-1.0, float("nan"), float("-inf")]], dtype=F64, requires_grad=True)
    mask = torch.tensor([[1, 0, 0]])
    terms = kl_loss(logs, logs.detach(), logs.detach() - 1.0, mask, estimator="k3", exact=True)
    assert terms[0, 1:].tolist() == [0.0, 0.0]
    assert torch.isfinite(gradient(terms.sum(), logs)).all()


def test_reward_penalty_by_hand() -> None:
    logs, reference = torch.tensor([[-1.0, -2.0, -9.0]]), torch.tensor([[-1.5, -1.0, 0.0]])
    penalty = reward_penalty(logs, reference, torch.tensor([[1, 1, 0]]), coefficient=0.1)
    assert penalty[0].tolist() == pytest.approx([-0.05, 0.1, 0.0])


@pytest.mark.parametrize(("divergence", "expected"), [(0.04, 2.0), (0.01, 0.5), (0.02, 1.0)])
def test_adapted_doubles_and_halves(divergence: float, expected: float) -> None:
    assert adapted(1.0, divergence, target=0.02) == expected


def test_adapted_stays_where_it_finds_back() -> None:
    low, high = 1.0, 1.0
    for _ in range(2000):  # halved as often without a bound it would be 0, which nothing doubles
        low, high = adapted(low, 0.0, target=0.02), adapted(high, 1.0, target=0.02)
    assert (low, high) == (1 / 1024, 1024)


def test_adaptive_kl_follows_the_error_by_at_most_a_fifth() -> None:
    # error clipped to 0.2, times 100 of 1000 samples: +2 percent; half the target: -0.2 -> -2
    start = AdaptiveKL(0.5, target=6.0, horizon=1000)
    assert start.updated(60.0, 100).coefficient == pytest.approx(0.51)
    assert start.updated(3.0, 100).coefficient == pytest.approx(0.49)
    assert start.updated(6.6, 100).coefficient == pytest.approx(0.505)
