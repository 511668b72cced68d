"""Losses: per-token terms, and how they become one number.

The two halves are apart on purpose. A micro-batch does not know the size of the whole batch, so
`aggregate` only sums and divides by a denominator that was taken over the whole batch: the sum of
the micro-batches' losses is then exactly the loss of the batch.

Every policy loss takes ``logprobs, old_logprobs, behaviour_logprobs, advantages, mask``, each of
shape (B, T) (advantages also (B,)), float32 or float64, and is exactly 0 where the mask is 0. All
are proportional to the advantage, so `Correction` weights it.

Left out: GSPO's token variant, SAPO, DPPO, and losses over the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from agentgym.algorithms.ratios import Correction, RatioLevel, policy_ratio
from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = [
    "LOSSES",
    "Aggregation",
    "aggregate",
    "cispo",
    "denominator",
    "entropy_bonus",
    "gspo",
    "policy_gradient",
    "ppo_clip",
    "ppo_penalty",
    "value_loss",
]

Aggregation = Literal["token_mean", "sequence_mean", "constant"]

_TRUNCATED = Correction()


def policy_gradient(
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    cap: float | None = 2.0,
    correction: Correction | None = None,
) -> Tensor:
    """Return the score-function loss of every token, corrected for the sampler's mismatch.

    ``-A * rho * log pi`` with ``rho = min(pi_old / mu, cap)``, held constant: sampler and learner
    compute slightly different probabilities for the same weights, and the truncated ratio undoes
    that bias without letting single tokens explode the variance.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Of the tokens by the learner before this update, shape (B, T).
        behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
        advantages: One a sequence, shape (B,), or one a token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        cap: Largest ratio; None turns the correction off.
        correction: Another correction, in the place of ``cap``.

    Returns:
        Losses, shape (B, T), exactly 0 where the mask is 0.

    Source: Williams 1992; truncated importance sampling: Ionides 2008, eq. 3.
    """
    chosen = Correction("token_truncate", cap) if correction is None else correction
    weight = _weighted(advantages, chosen, old_logprobs, behaviour_logprobs, mask)
    outside = ~mask.bool()
    return (-weight * logprobs.masked_fill(outside, 0.0)).masked_fill(outside, 0.0)


def ppo_clip(  # noqa: PLR0913 - the formula has as many
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    ratio: RatioLevel = "token",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    dual_clip: float | None = None,
    correction: Correction | None = _TRUNCATED,
) -> Tensor:
    """Return PPO's clipped loss of every token: ``-min(r A, clip(r, 1 - low, 1 + high) A)``.

    A token whose ratio already left the range in the direction of its advantage has no gradient.
    With ``ratio="turn"`` or ``"trajectory"`` the tokens share one ratio and one fate (LOOP); the
    sum over tokens then has that objective's gradient, and counts its value once a token.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Before the first update on this batch, shape (B, T).
        behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
        advantages: One a sequence, shape (B,), or one a token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        ratio: Which tokens share a ratio.
        clip_low: The range's lower end is ``1 - clip_low``.
        clip_high: Its upper end is ``1 + clip_high``; above ``clip_low`` it is DAPO's clip-higher.
        dual_clip: Where the advantage is negative, no loss above ``-dual_clip * A``.
        correction: For ``pi_old / mu``; None for none. The same as verl's ``rollout_is_weights``.

    Returns:
        Losses, shape (B, T): those of verl's ``compute_policy_loss_vanilla`` before its sum, and of
        TRL's GRPO trainer with ``delta=None``. TRL's ``delta`` bounds the ratio of all negative
        advantages from above as ``dual_clip`` does.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", eq. 7; dual clip: Ye
    et al. 2020, "Mastering Complex Control in MOBA Games", eq. 5; clip-higher: Yu et al. 2025,
    "DAPO", section 3.1; levels: Chen et al. 2025 (LOOP), section 4.
    """
    weight = _weighted(advantages, correction, old_logprobs, behaviour_logprobs, mask)
    ratios = policy_ratio(logprobs, old_logprobs, mask, ratio)
    loss = torch.maximum(-weight * ratios, -weight * ratios.clamp(1 - clip_low, 1 + clip_high))
    if dual_clip is not None:
        loss = torch.where(weight < 0, torch.minimum(loss, -weight * dual_clip), loss)
    return loss.masked_fill(~mask.bool(), 0.0)


def gspo(
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float = 3e-4,
    clip_high: float = 4e-4,
    correction: Correction | None = _TRUNCATED,
) -> Tensor:
    """Return the clipped loss with one ratio a sequence: ``s = exp(mean_t log r_t)``.

    Every token has the sequence's value and a token's share of its gradient, so `aggregate` by
    ``sequence_mean`` gives the paper's objective, value and gradient.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Before the first update on this batch, shape (B, T).
        behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
        advantages: One a sequence, shape (B,), or one a token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        clip_low: The range's lower end is ``1 - clip_low``; the paper's ranges are this narrow.
        clip_high: Its upper end is ``1 + clip_high``.
        correction: For ``pi_old / mu``; None for none.

    Returns:
        Losses, shape (B, T): those of verl's ``compute_policy_loss_gspo``, and in value of TRL's
        ``importance_sampling_level="sequence"``.

    Source: Zheng et al. 2025, "Group Sequence Policy Optimization", eq. 5, 7 and 10.
    """
    return ppo_clip(
        logprobs,
        old_logprobs,
        behaviour_logprobs,
        advantages,
        mask,
        ratio="sequence_mean",
        clip_low=clip_low,
        clip_high=clip_high,
        correction=correction,
    )


def cispo(
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float = 1.0,
    clip_high: float = 4.0,
    correction: Correction | None = _TRUNCATED,
) -> Tensor:
    """Return ``-sg(clip(r, 1 - low, 1 + high)) A log pi``: the weight is clipped, not the gradient.

    No token loses its gradient, rare ones that changed most included.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Before the first update on this batch, shape (B, T).
        behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
        advantages: One a sequence, shape (B,), or one a token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        clip_low: The least weight is ``1 - clip_low``; 1.0 leaves it unbounded, as the paper does.
        clip_high: The largest weight is ``1 + clip_high``.
        correction: For ``pi_old / mu``; None for none.

    Returns:
        Losses, shape (B, T): those of verl's ``compute_policy_loss_cispo``; of TRL's with
        ``clip_low=1`` and ``clip_high = epsilon_high - 1``, for TRL's is the bound itself.

    Source: MiniMax 2025, "MiniMax-M1", eq. 4 and 5.
    """
    weight = _weighted(advantages, correction, old_logprobs, behaviour_logprobs, mask)
    ratios = policy_ratio(logprobs.detach(), old_logprobs, mask)
    outside = ~mask.bool()
    bounded = weight * ratios.clamp(1 - clip_low, 1 + clip_high)
    return (-bounded * logprobs.masked_fill(outside, 0.0)).masked_fill(outside, 0.0)


def ppo_penalty(
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    coefficient: float = 1.0,
    correction: Correction | None = _TRUNCATED,
) -> Tensor:
    """Return PPO's penalised loss: ``-r A + coefficient * KL(pi_old || pi)``, nothing clipped.

    The divergence is estimated as ``(r - 1) - log r`` on tokens of the old policy, which is
    unbiased and has the right gradient. `agentgym.algorithms.kl.adapted` sets the coefficient.

    Args:
        logprobs: Of the tokens under the weights being trained, shape (B, T), float32.
        old_logprobs: Before the first update on this batch, shape (B, T).
        behaviour_logprobs: Of the tokens by the sampler, shape (B, T).
        advantages: One a sequence, shape (B,), or one a token, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        coefficient: The paper's beta.
        correction: For ``pi_old / mu``; None for none.

    Source: Schulman et al. 2017, section 4, eq. 8.
    """
    weight = _weighted(advantages, correction, old_logprobs, behaviour_logprobs, mask)
    outside = ~mask.bool()
    ratios = policy_ratio(logprobs, old_logprobs, mask)
    logs = (logprobs - old_logprobs.detach()).masked_fill(outside, 0.0)
    return (-weight * ratios + coefficient * (ratios - 1 - logs)).masked_fill(outside, 0.0)


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    mask: Tensor,
    *,
    clip: float | None = 0.2,
) -> Tensor:
    """Return the critic's loss of every token: the worse of the plain and the clipped square.

    Args:
        values: Predicted by the weights being trained, shape (B, T), float32.
        old_values: Predicted before the first update on this batch, shape (B, T).
        returns: What they should have been, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        clip: Most that a value may move from the old one and still gain; None clips nothing.

    Returns:
        ``max((v - R)^2, (clip(v, v_old ± clip) - R)^2) / 2``, shape (B, T), 0 outside the mask;
        that of verl's ``compute_value_loss`` before its mean.

    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using GAE"; the clip: OpenAI
    Baselines' ppo2, in no paper.
    """
    outside = ~mask.bool()
    loss = (values - returns.detach()).masked_fill(outside, 0.0).square()
    if clip is not None:
        moved = (values - old_values.detach()).masked_fill(outside, 0.0).clamp(-clip, clip)
        near = (old_values - returns).detach().masked_fill(outside, 0.0) + moved
        loss = torch.maximum(loss, near.square())
    return 0.5 * loss


def entropy_bonus(entropy: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """Return ``-coefficient * H`` of every token, which rewards a policy that stays undecided.

    Args:
        entropy: Of the policy at every token in nats, with gradient, shape (B, T).
        mask: 1 on sampled tokens, shape (B, T).
        coefficient: How much a nat is worth.

    Source: Williams and Peng 1991; Mnih et al. 2016, "Asynchronous Methods", section 4.
    """
    return (-coefficient * entropy).masked_fill(~mask.bool(), 0.0)


def aggregate(
    per_token: Tensor, mask: Tensor, how: Aggregation, *, denominator: float | None = None
) -> Tensor:
    """Sum the losses of a micro-batch as its share of the whole batch.

    Args:
        per_token: Losses, shape (B, T), float32.
        mask: 1 on sampled tokens, shape (B, T).
        how: ``token_mean``, ``sequence_mean`` or ``constant``.
        denominator: Of the whole batch, from `denominator`. None: this is the whole batch (and
            ``constant`` divides by B).

    Returns:
        A scalar; these scalars of all micro-batches sum to the loss of the batch. With None they
        are TRL's ``bnpo`` and ``grpo`` losses and verl's ``token-mean`` and
        ``seq-mean-token-mean``; a sequence without a sampled token counts in TRL's mean and here,
        not in verl's.
    """
    _known(how)
    weights = mask.to(per_token.dtype)
    masked = per_token.masked_fill(~mask.bool(), 0.0)
    if how == "sequence_mean":
        masked = masked / weights.sum(-1, keepdim=True).clamp(min=1.0)
    if denominator is None:
        total = weights.sum().clamp(min=1.0)
        return masked.sum() / (total if how == "token_mean" else max(1, mask.shape[0]))
    return masked.sum() / denominator


def denominator(how: Aggregation, tokens: Sequence[int], constant_tokens: int = 1) -> float:
    """Return what the losses of a whole batch are divided by.

    Args:
        how: ``token_mean`` divides by all sampled tokens, so every token counts the same;
            ``sequence_mean`` takes each sequence's mean and then the mean of those, so tokens of
            long sequences count less; ``constant`` divides by a length that does not depend on
            what was sampled, which biases no length (Liu et al. 2025, section 3.1).
        tokens: Sampled tokens of each sequence in the batch.
        constant_tokens: The length that ``constant`` divides each sequence by.
    """
    _known(how)
    if how == "token_mean":
        return float(max(1, sum(tokens)))
    sequences = max(1, len(tokens))
    return float(sequences if how == "sequence_mean" else sequences * constant_tokens)


def _weighted(
    advantages: Tensor, correction: Correction | None, old: Tensor, behaviour: Tensor, mask: Tensor
) -> Tensor:
    """Return the advantage of every token times its correction, shape (B, T), no gradient."""
    weight = advantages if advantages.dim() == old.dim() else advantages.unsqueeze(-1)
    weight = weight.detach().to(old.dtype)
    if correction is None or (correction.cap is None and correction.band is None):
        return weight
    return weight * correction.weights(old, behaviour, mask)


def _known(how: str) -> None:
    known = ("token_mean", "sequence_mean", "constant")
    if how not in known:
        raise ConfigError(f"no aggregation '{how}'; {perhaps_you_meant(how, known)}")


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "policy_gradient": policy_gradient,
    "ppo_clip": ppo_clip,
    "ppo_penalty": ppo_penalty,
    "gspo": gspo,
    "cispo": cispo,
}
