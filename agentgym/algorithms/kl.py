"""Kullback-Leibler divergence to a reference policy: three estimators, and where each is right.

With ``x = log pi - log pi_ref`` of a token that ``pi`` sampled:

    | estimator | formula         | value  | gradient in the reward | gradient in the loss     |
    |-----------|-----------------|--------|------------------------|--------------------------|
    | k1        | x               | exact  | exact                  | zero                     |
    | k2        | x^2 / 2         | biased | wrong                  | exact                    |
    | k3        | exp(-x) - 1 + x | exact  | wrong                  | that of KL(pi_ref || pi) |
    | r * k3    |                 | exact  | -                      | exact                    |

"Exact": in expectation, that of ``KL(pi || pi_ref)``. "In the reward": subtracted from the reward,
without gradient, and carried by the score function. "In the loss": added to the loss and
differentiated on fixed samples. ``r`` is ``pi / pi_old`` with its gradient, ``pi_old`` the sampler.

Of a whole sequence: in the reward, where a token also pays for those after it, the gradient is that
of the divergence of sequences. In the loss it is that of the sum over tokens of the divergence at
each, the prefixes held as they were sampled: a token does not answer for where it leads. Tests
prove all of this by enumeration.

Left out: the divergence over the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from agentgym.algorithms.ratios import policy_ratio
from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["ESTIMATORS", "AdaptiveKL", "adapted", "k1", "k2", "k3", "kl_loss", "reward_penalty"]

_MOST_LOG = 20.0
_LEAST_PENALTY, _MOST_PENALTY = 2.0**-10, 2.0**10  # from which it finds back in a few steps


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return ``log pi - log pi_ref``: for the reward, never for the loss.

    Args:
        logprobs: Of the tokens by the policy, shape (B, T).
        reference_logprobs: Of the tokens by the reference, shape (B, T).

    Source: Schulman 2020, "Approximating KL Divergence"; as verl's and TRL's ``k1``.
    """
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return ``(log pi - log pi_ref)^2 / 2``: for the loss.

    Args:
        logprobs: Of the tokens by the policy, shape (B, T).
        reference_logprobs: Of the tokens by the reference, shape (B, T).

    Source: Schulman 2020; as verl's ``k2``.
    """
    return (logprobs - reference_logprobs).square() / 2


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return ``pi_ref / pi - 1 - log(pi_ref / pi)``: never negative, of little variance.

    Args:
        logprobs: Of the tokens by the policy, shape (B, T).
        reference_logprobs: Of the tokens by the reference, shape (B, T).

    Returns:
        Shape (B, T). Logarithms beyond ±20 are cut off, as in verl; verl's further cut of the
        value at 10 is left out, for it removes the pull where the policies are furthest apart.

    Source: Schulman 2020; in the loss: Shao et al. 2024, "DeepSeekMath", eq. 4.
    """
    logs = (reference_logprobs - logprobs).clamp(-_MOST_LOG, _MOST_LOG)
    return logs.exp() - 1 - logs


ESTIMATORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def kl_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    reference_logprobs: Tensor,
    mask: Tensor,
    *,
    estimator: str = "k2",
    exact: bool = False,
) -> Tensor:
    """Return an estimate of the divergence at every token, to be added to a loss.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Before the first update on this batch, shape (B, T).
        reference_logprobs: Of the tokens by the reference, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        estimator: ``k2`` or ``k3``.
        exact: Multiply by ``pi / pi_old``, which makes the gradient of ``k3`` that of
            ``KL(pi || pi_ref)`` (TRL's ``use_bias_correction_kl``).

    Returns:
        Shape (B, T), exactly 0 where the mask is 0.

    Raises:
        ConfigError: If the estimator is unknown, or is ``k1``, whose gradient is zero here.
    """
    if estimator not in ESTIMATORS:
        raise ConfigError(f"no estimator '{estimator}'; {perhaps_you_meant(estimator, ESTIMATORS)}")
    if estimator == "k1" and not exact:
        raise ConfigError(
            "k1 in the loss has a gradient of zero in expectation; put it in the reward, or use k2"
        )
    outside = ~mask.bool()
    policy = logprobs.masked_fill(outside, 0.0)
    reference = reference_logprobs.detach().masked_fill(outside, 0.0)
    terms = ESTIMATORS[estimator](policy, reference)
    if exact:
        terms = terms * policy_ratio(logprobs, old_logprobs, mask)
    return terms.masked_fill(outside, 0.0)


def adapted(coefficient: float, divergence: float, target: float) -> float:
    """Return PPO's next penalty: doubled where the update went too far, halved where too little.

    Args:
        coefficient: Of the update that was made.
        divergence: ``KL(pi_old || pi)`` after it, in nats a token.
        target: How far an update should go.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", section 4; that it
    stays within 2^-10 and 2^10 is ours.
    """
    if divergence > 1.5 * target:
        return min(_MOST_PENALTY, coefficient * 2)
    return max(_LEAST_PENALTY, coefficient / 2) if divergence < target / 1.5 else coefficient


@dataclass(frozen=True, slots=True)
class AdaptiveKL:
    """The coefficient of a divergence to the reference that is steered to a target.

    Attributes:
        coefficient: The current one.
        target: The divergence to stay at, in nats.
        horizon: Samples over which an error of 20 percent doubles it about.

    Source: Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences", section 2.2;
    as verl's ``AdaptiveKLController``.
    """

    coefficient: float
    target: float
    horizon: float

    def updated(self, divergence: float, samples: int) -> AdaptiveKL:
        """Return the controller after a batch of this many samples and this divergence."""
        error = min(0.2, max(-0.2, divergence / self.target - 1))
        factor = 1 + error * samples / self.horizon
        return AdaptiveKL(self.coefficient * factor, self.target, self.horizon)


def reward_penalty(
    old_logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor, coefficient: float
) -> Tensor:
    """Return ``-coefficient * k1`` of every sampled token: what is added to its reward.

    Args:
        old_logprobs: Of the tokens by the learner before this update, shape (B, T).
        reference_logprobs: Of the tokens by the reference, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        coefficient: How much a nat costs.

    Returns:
        Shape (B, T), without gradient, 0 outside the mask; as verl's ``compute_rewards``.
    """
    with torch.no_grad():
        penalty = -coefficient * k1(old_logprobs, reference_logprobs)
    return penalty.masked_fill(~mask.bool(), 0.0)
