"""DPO and the Bradley-Terry loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from agentgym.algorithms.bradley_terry import bradley_terry
from agentgym.algorithms.dpo import dpo, implicit_reward

# Of sigmoid(-1), and -log sigmoid of 1 and of -1.
SIGMOID = 1 / (1 + math.e)
RIGHT, WRONG = math.log(1 + math.exp(-1)), math.log(1 + math.e)


def tensor(*values: float, grad: bool = False) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def test_dpo_is_log_2_where_policy_and_reference_agree() -> None:
    same = tensor(-3.0, -7.0)
    assert dpo(same, same - 1, same, same - 1, 0.3).tolist() == pytest.approx([math.log(2)] * 2)


def test_dpo_by_hand() -> None:
    # Gained by the policy: 2 nats on the chosen answer, none on the rejected one; d = 0.5 * 2.
    losses = dpo(tensor(-1.0), tensor(-2.0), tensor(-3.0), tensor(-2.0), 0.5)
    assert losses.tolist() == pytest.approx([RIGHT])
    losses = dpo(tensor(-2.0), tensor(-1.0), tensor(-2.0), tensor(-3.0), 0.5)
    assert losses.tolist() == pytest.approx([WRONG])


def test_dpo_smoothed_by_hand() -> None:
    losses = dpo(tensor(-1.0), tensor(-2.0), tensor(-3.0), tensor(-2.0), 0.5, 0.1)
    assert losses.tolist() == pytest.approx([0.9 * RIGHT + 0.1 * WRONG])


@pytest.mark.parametrize(
    ("smoothing", "slope"),
    [(0.0, -0.5 * SIGMOID), (0.1, 0.5 * (0.1 * (1 - SIGMOID) - 0.9 * SIGMOID))],
)
def test_dpo_gradient_by_hand(smoothing: float, slope: float) -> None:
    chosen, rejected = tensor(-1.0, grad=True), tensor(-2.0, grad=True)
    reference = tensor(-3.0, grad=True)
    dpo(chosen, rejected, reference, tensor(-2.0), 0.5, smoothing).sum().backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert chosen.grad.item() == pytest.approx(slope)
    assert rejected.grad.item() == pytest.approx(-slope)
    assert reference.grad is None


def test_dpo_of_pairs_that_are_far_apart_is_finite() -> None:
    losses = dpo(tensor(-1e4, 0.0), tensor(0.0, -1e4), tensor(0.0, 0.0), tensor(0.0, 0.0), 1.0)
    assert losses.tolist() == [1e4, 0.0]


@pytest.mark.parametrize(("beta", "smoothing"), [(0.0, 0.0), (-1.0, 0.0), (0.1, 0.5), (0.1, -0.1)])
def test_dpo_refuses_what_is_out_of_range(beta: float, smoothing: float) -> None:
    with pytest.raises(ValueError, match="needs beta > 0 and 0 <= label"):
        dpo(tensor(0.0), tensor(0.0), tensor(0.0), tensor(0.0), beta, smoothing)


def test_implicit_reward_is_the_scaled_gain() -> None:
    assert implicit_reward(tensor(-1.0), tensor(-4.0), 0.2).tolist() == pytest.approx([0.6])


def test_bradley_terry_by_hand() -> None:
    losses = bradley_terry(tensor(1.0, 0.0), tensor(0.0, 1.0))
    assert losses.tolist() == pytest.approx([RIGHT, WRONG])


def test_bradley_terry_gradient_by_hand() -> None:
    chosen, rejected = tensor(1.5, grad=True), tensor(0.5, grad=True)
    bradley_terry(chosen, rejected).sum().backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert (chosen.grad.item(), rejected.grad.item()) == pytest.approx((-SIGMOID, SIGMOID))


def test_bradley_terry_margin_is_subtracted() -> None:
    losses = bradley_terry(tensor(2.0, 2.0), tensor(1.0, 1.0), tensor(0.0, 1.0))
    assert losses.tolist() == pytest.approx([RIGHT, math.log(2)])


def test_bradley_terry_centering_adds_the_squared_sum() -> None:
    losses = bradley_terry(tensor(2.0), tensor(1.0), centering=0.1)
    assert losses.tolist() == pytest.approx([RIGHT + 0.1 * 9])
