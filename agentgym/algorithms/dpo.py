"""Direct preference optimisation: a policy learns from pairs, without a reward model or sampling.

The reward that it would be optimal for is implicit: ``beta * log(pi / pi_ref)`` of the answer, up
to a constant of the prompt. Variants with another link (IPO, KTO, SimPO) are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["dpo", "implicit_reward"]


def implicit_reward(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return the reward that a policy acts as if it maximised, up to a constant of the prompt.

    Args:
        policy: Log-probabilities of whole answers under the policy, shape (B,).
        reference: The same under the reference policy, shape (B,).
        beta: Strength of the KL penalty that the policy is optimal for.

    Source: Rafailov et al. 2023, "Direct Preference Optimization", eq. 5.
    """
    return beta * (policy - reference)


def dpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of every pair: a Bradley-Terry likelihood of the implicit rewards.

    ``-(1 - eps) log sigmoid(d) - eps log sigmoid(-d)`` with ``d`` the difference of the implicit
    rewards. Its gradient by the policy's chosen log-probability is ``-beta sigmoid(-d)`` where eps
    is 0: a pair that is ordered well already pulls no more.

    Args:
        policy_chosen: Summed log-probability of the preferred answer, shape (B,), float32.
        policy_rejected: Of the other answer, shape (B,).
        reference_chosen: Under the reference policy, shape (B,); no gradient flows into it.
        reference_rejected: Of the other answer, shape (B,).
        beta: Strength of the implicit KL penalty; above 0.
        label_smoothing: Share of the labels taken to be flipped, eps, in [0, 0.5).

    Returns:
        Losses, shape (B,); log 2 where policy and reference agree.

    Raises:
        ValueError: If ``beta`` or ``label_smoothing`` is out of range.

    Source: Rafailov et al. 2023, eq. 7; smoothing: Mitchell 2023, "A note on DPO with noisy
    preferences".
    """
    if not beta > 0 or not 0 <= label_smoothing < 0.5:
        raise ValueError(
            f"dpo needs beta > 0 and 0 <= label_smoothing < 0.5, got {beta} and {label_smoothing}"
        )
    chosen = implicit_reward(policy_chosen, reference_chosen.detach(), beta)
    rejected = implicit_reward(policy_rejected, reference_rejected.detach(), beta)
    log_sigmoid = torch.nn.functional.logsigmoid
    right, flipped = log_sigmoid(chosen - rejected), log_sigmoid(rejected - chosen)
    return -(1 - label_smoothing) * right - label_smoothing * flipped
