"""Turns, shared ratios and the correction for another sampler, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from agentgym.algorithms.ratios import Correction, policy_ratio, turn_ids
from agentgym.errors import ConfigError

F64 = torch.float64
MASK = torch.tensor([[0, 1, 1, 0, 1, 0]])
# factors 2 and 3 in the first turn, 5 in the second
LOGS = torch.log(torch.tensor([[7.0, 2.0, 3.0, 7.0, 5.0, 7.0]], dtype=F64))
ZERO = torch.zeros_like(LOGS)


def test_turn_ids_number_the_runs_of_sampled_tokens() -> None:
    assert turn_ids(MASK).tolist() == [[0, 1, 1, 0, 2, 0]]
    assert turn_ids(torch.tensor([[1, 0, 1], [0, 0, 0]])).tolist() == [[1, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("token", [1.0, 2.0, 3.0, 1.0, 5.0, 1.0]),
        ("turn", [1.0, 6.0, 6.0, 1.0, 5.0, 1.0]),
        ("trajectory", [1.0, 30.0, 30.0, 1.0, 30.0, 1.0]),
        ("sequence_mean", [1.0, *[30 ** (1 / 3)] * 2, 1.0, 30 ** (1 / 3), 1.0]),
    ],
)
def test_policy_ratio_by_hand(level: str, expected: list[float]) -> None:
    assert policy_ratio(LOGS, ZERO, MASK, level)[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("level", "objective"),
    [
        ("token", lambda r: r[1] + r[2] + r[4]),
        ("turn", lambda r: r[1] * r[2] + r[4]),
        ("trajectory", lambda r: r[1] * r[2] * r[4]),
        ("sequence_mean", lambda r: 3 * (r[1] * r[2] * r[4]) ** (1 / 3)),
    ],
)
def test_policy_ratio_summed_has_the_gradient_of_the_shared_ratios(
    level: str, objective: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    logs = LOGS.clone().requires_grad_()
    (found,) = torch.autograd.grad(policy_ratio(logs, ZERO, MASK, level).sum(), logs)
    again = LOGS.clone().requires_grad_()
    (expected,) = torch.autograd.grad(objective(again[0].exp()), again)
    torch.testing.assert_close(found, expected)


def test_policy_ratio_names_the_nearest_level() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'trajectory'"):
        policy_ratio(LOGS, ZERO, MASK, "trajectorie")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("token_truncate", [2.0, 2.5, 2.5]),
        ("token_mask", [2.0, 0.0, 0.0]),
        ("sequence_truncate", [2.5, 2.5, 2.5]),
        ("sequence_mask", [0.0, 0.0, 0.0]),
    ],
)
def test_correction_by_hand(how: str, expected: list[float]) -> None:
    weights = Correction(how, cap=2.5).weights(LOGS, ZERO, MASK)
    assert weights[MASK.bool()].tolist() == pytest.approx(expected)


def test_correction_by_sequence_within_the_cap_is_the_product() -> None:
    weights = Correction("sequence_mask", cap=31.0).weights(LOGS, ZERO, MASK)
    assert weights[MASK.bool()].tolist() == pytest.approx([30.0] * 3)


def test_band_drops_whole_episodes_by_their_geometric_mean() -> None:
    old = torch.log(torch.tensor([[1.05, 1.0, 1.0], [1.02, 0.99, 9.9]], dtype=F64))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    weights = Correction(cap=None, band=(0.99, 1.01)).weights(old, torch.zeros_like(old), mask)
    # geometric means: 1.05 ** (1/3) = 1.0164 and sqrt(1.0098) = 1.0049
    assert math.isclose(1.05 ** (1 / 3), 1.0164, rel_tol=1e-4)
    assert weights.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


def test_correction_ignores_whatever_stands_under_the_mask() -> None:
    bad = torch.tensor([[float("nan"), 0.0, float("inf")]], dtype=F64)
    weights = Correction("sequence_truncate").weights(bad, bad, torch.tensor([[0, 1, 0]]))
    assert weights[0, 1] == 1.0


def test_correction_names_the_nearest_way() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'token_truncate'"):
        Correction("token_trunc").weights(LOGS, ZERO, MASK)
