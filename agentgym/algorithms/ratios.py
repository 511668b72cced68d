"""Ratios of two policies' probabilities, by token, turn or trajectory, and what to do with them.

Two different ratios go into a loss. ``pi / pi_old`` is what an update did to the policy: clipped
losses keep it near 1. ``pi_old / mu`` is what the sampler did not do as the learner would have:
other arithmetic, or older weights. The first carries the gradient, the second is a constant weight.

Left out: ratios at the level of a tree's branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["Correction", "RatioLevel", "policy_ratio", "turn_ids"]

RatioLevel = Literal["token", "turn", "trajectory", "sequence_mean"]
How = Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]

LEVELS = ("token", "turn", "trajectory", "sequence_mean")
CORRECTIONS = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
_MOST_LOG = 20.0  # exp(20) is 5e8: beyond, a ratio says no more and overflows soon


def turn_ids(mask: Tensor) -> Tensor:
    """Number the turns: runs of sampled tokens with nothing sampled before them.

    Args:
        mask: 1 on sampled tokens, shape (B, T).

    Returns:
        1, 2, ... on the tokens of the first, second, ... turn and 0 elsewhere, shape (B, T), int64.
    """
    sampled = mask.bool()
    before = torch.nn.functional.pad(sampled, (1, 0))[:, :-1]
    return (sampled & ~before).long().cumsum(-1) * sampled


def policy_ratio(
    logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, level: RatioLevel = "token"
) -> Tensor:
    """Return ``pi / pi_old`` at every sampled token, 1 elsewhere.

    ``turn`` and ``trajectory`` are products over all tokens of the turn or the episode, as LOOP
    defines them, so they leave a clip range soon; ``sequence_mean`` is the geometric mean over the
    episode, as GSPO defines it. Where many tokens share one ratio, each token gets its value and
    the gradient of its own factor: the gradient of a *sum* over the tokens is then that of the
    shared ratio (for ``sequence_mean``: that of a mean over the tokens).

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T).
        old_logprobs: Before this batch's first update, shape (B, T); no gradient flows to them.
        mask: 1 on sampled tokens, shape (B, T).
        level: Which tokens share a ratio.

    Returns:
        Shape (B, T). Logarithms beyond ±20 are cut off there, as in verl.

    Raises:
        ConfigError: If there is no such level.

    Source: LOOP: Chen et al. 2025, "Reinforcement Learning for Long-Horizon Interactive LLM
    Agents", section 4; GSPO: Zheng et al. 2025, "Group Sequence Policy Optimization", eq. 7.
    """
    if level not in LEVELS:
        raise ConfigError(f"no ratio level '{level}'; {perhaps_you_meant(level, LEVELS)}")
    sampled = mask.bool()
    logs = (logprobs - old_logprobs.detach()).masked_fill(~sampled, 0.0)
    if level == "token":
        return logs.clamp(-_MOST_LOG, _MOST_LOG).exp()
    shared = _shared(logs.detach(), sampled, level)
    own = logs - logs.detach()  # 0, with the gradient of the token's own log-probability
    return ((shared + own).clamp(-_MOST_LOG, _MOST_LOG)).exp().masked_fill(~sampled, 1.0)


def _shared(logs: Tensor, sampled: Tensor, level: RatioLevel) -> Tensor:
    """Return at every token the logarithm of the ratio that it shares, shape (B, T)."""
    if level == "turn":
        turns = turn_ids(sampled)
        sums = torch.zeros_like(logs).new_zeros(logs.shape[0], logs.shape[1] + 1)
        return sums.scatter_add(1, turns, logs).gather(1, turns)
    total = logs.sum(-1, keepdim=True)
    if level == "sequence_mean":
        total = total / sampled.sum(-1, keepdim=True).clamp(min=1)
    return total.expand_as(logs)


@dataclass(frozen=True, slots=True)
class Correction:
    """How a loss makes up for tokens that another policy sampled: ``rho = pi_old / mu``.

    Truncation keeps every token and bounds its weight; a mask drops what is beyond the cap, which
    costs data and trusts no outlier. By sequence, ``rho`` is the product over the episode's tokens:
    unbiased for whole episodes, and far from 1 where they are long. `band` first drops episodes
    whose geometric mean of ``rho`` is outside it, which is where sampler and learner do not run the
    same model.

    Attributes:
        how: ``token_truncate``, ``token_mask``, ``sequence_truncate`` or ``sequence_mask``.
        cap: Largest weight; None leaves the weights out (`band` still holds).
        band: Lowest and highest geometric mean of an episode that is kept, such as (0.99, 1.01).

    Source: truncation: Ionides 2008, eq. 3; the four ways: TRL's ``vllm_importance_sampling_mode``
    (its cap is 3), which agrees; the band: verl's ``seq_mean_k1``, whose bounds are of ``1 / rho``.
    """

    how: How = "token_truncate"
    cap: float | None = 2.0
    band: tuple[float, float] | None = None

    def weights(self, old_logprobs: Tensor, behaviour_logprobs: Tensor, mask: Tensor) -> Tensor:
        """Return the constant weight of every token.

        Args:
            old_logprobs: Of the tokens by the learner before this update, shape (B, T).
            behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
            mask: 1 on sampled tokens, shape (B, T).

        Returns:
            Shape (B, T), without gradient; what stands outside the mask means nothing.
        """
        if self.how not in CORRECTIONS:
            raise ConfigError(
                f"no correction '{self.how}'; {perhaps_you_meant(self.how, CORRECTIONS)}"
            )
        sampled = mask.bool()
        # Masked before exp: padding may hold anything, and inf * 0 is nan.
        gap = (old_logprobs - behaviour_logprobs).detach().masked_fill(~sampled, 0.0)
        weights = torch.ones_like(gap) if self.cap is None else self._capped(gap, self.cap)
        if self.band is not None:
            mean = gap.sum(-1, keepdim=True) / sampled.sum(-1, keepdim=True).clamp(min=1)
            low, high = self.band
            weights = weights * ((mean.exp() >= low) & (mean.exp() <= high))
        return weights

    def _capped(self, gap: Tensor, cap: float) -> Tensor:
        if self.how.startswith("sequence"):
            gap = gap.sum(-1, keepdim=True).expand_as(gap)
        rho = gap.exp()
        return rho.clamp(max=cap) if self.how.endswith("truncate") else rho * (rho <= cap)
