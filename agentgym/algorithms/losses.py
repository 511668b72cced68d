"""Losses: per-token terms, and how they become one number.

The two halves are apart on purpose. A micro-batch does not know the size of the whole batch, so
`aggregate` only sums and divides by a denominator that was taken over the whole batch: the sum of
the micro-batches' losses is then exactly the loss of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from torch import Tensor

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["LOSSES", "Aggregation", "aggregate", "denominator", "policy_gradient"]

Aggregation = Literal["token_mean", "sequence_mean", "constant"]


def policy_gradient(
    logprobs: Tensor,
    old_logprobs: Tensor,
    behaviour_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    cap: float | None = 2.0,
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

    Returns:
        Losses, shape (B, T), exactly 0 where the mask is 0.

    Source: Williams 1992; truncated importance sampling: Ionides 2008, eq. 3.
    """
    sampled = mask.bool()
    weight = advantages if advantages.dim() == logprobs.dim() else advantages.unsqueeze(-1)
    weight = weight.detach().to(logprobs.dtype)
    if cap is not None:
        # Masked before exp: padding may hold anything, and inf * 0 is nan.
        gap = (old_logprobs - behaviour_logprobs).detach().masked_fill(~sampled, 0.0)
        weight = weight * gap.exp().clamp(max=cap)
    return (-weight * logprobs.masked_fill(~sampled, 0.0)).masked_fill(~sampled, 0.0)


def aggregate(per_token: Tensor, mask: Tensor, how: Aggregation, *, denominator: float) -> Tensor:
    """Sum the losses of a micro-batch as its share of the whole batch.

    Args:
        per_token: Losses, shape (B, T), float32.
        mask: 1 on sampled tokens, shape (B, T).
        how: ``token_mean``, ``sequence_mean`` or ``constant``.
        denominator: Of the whole batch, from `denominator`.

    Returns:
        A scalar; these scalars of all micro-batches sum to the loss of the batch.
    """
    _known(how)
    weights = mask.to(per_token.dtype)
    masked = per_token.masked_fill(~mask.bool(), 0.0)
    if how == "sequence_mean":
        masked = masked / weights.sum(-1, keepdim=True).clamp(min=1.0)
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


def _known(how: str) -> None:
    known = ("token_mean", "sequence_mean", "constant")
    if how not in known:
        raise ConfigError(f"no aggregation '{how}'; {perhaps_you_meant(how, known)}")


LOSSES: Mapping[str, Callable[..., Tensor]] = {"policy_gradient": policy_gradient}
