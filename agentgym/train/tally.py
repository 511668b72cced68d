"""What the micro-batches of a step add up to, in sums and maxima that stay on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from agentgym.algorithms.kl import k3
from agentgym.algorithms.presets import Algorithm
from agentgym.algorithms.ratios import Correction, RatioLevel, policy_ratio

__all__ = ["LearnStats", "Tally", "learn_stats", "mismatch_figures", "ratio_figures"]


@dataclass(frozen=True, slots=True)
class LearnStats:
    """What one step of the learner did.

    Attributes:
        loss: The objective that was differentiated; the mean over the updates.
        grad_norm: Before clipping; the mean over the updates.
        entropy: Mean over the sampled tokens, in nats.
        gap_mean: Mean absolute difference of learner and sampler log-probabilities, in nats.
        gap_max: The largest.
        mismatch_mean: Mean of ``pi_old / mu`` over the sampled tokens, raw.
        mismatch_max: The largest.
        truncated: Share of tokens whose correction the cap or the band changed.
        ratio_mean: Mean of ``pi / pi_old`` over tokens and updates, raw.
        ratio_max: The largest.
        clip_fraction: Share of tokens whose ratio was outside the loss's range.
        step_kl: Estimate of ``KL(pi_old || pi)`` a token, in the last epoch, in nats.
        reference_kl: Estimate of the divergence to the reference a token, in nats; 0 without one.
        value_loss: Of the critic; 0 without one.
        tokens: Sampled tokens that were learned from.
        updates: Optimizer steps that were taken.
        lr: Learning rate of this step.
        updated: False where there was nothing to learn from, or no gradient was finite.
    """

    loss: float = 0.0
    grad_norm: float = 0.0
    entropy: float = 0.0
    gap_mean: float = 0.0
    gap_max: float = 0.0
    mismatch_mean: float = 1.0
    mismatch_max: float = 1.0
    truncated: float = 0.0
    ratio_mean: float = 1.0
    ratio_max: float = 1.0
    clip_fraction: float = 0.0
    step_kl: float = 0.0
    reference_kl: float = 0.0
    value_loss: float = 0.0
    tokens: int = 0
    updates: int = 0
    lr: float = 0.0
    updated: bool = False


class Tally:
    """Figures by name: maxima where the name ends in ``_max``, sums else."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Tensor]] = {}

    def add(self, figures: dict[str, Tensor]) -> None:
        """Take in the figures of one micro-batch."""
        for name, value in figures.items():
            self._parts.setdefault(name, []).append(value)

    def forget(self, name: str) -> None:
        """Begin a figure anew."""
        self._parts.pop(name, None)

    def sum(self, name: str, default: float = 0.0) -> float:
        """Return the sum, or the maximum, of a figure; the default if it never came."""
        if name not in self._parts:
            return default
        values = torch.stack(self._parts[name])
        return float(values.max() if name.endswith("_max") else values.sum())


def learn_stats(
    tally: Tally, norms: Sequence[tuple[float, bool]], *, tokens: int, epochs: int, prepared: bool
) -> LearnStats:
    """Return what a step's figures come to, all but its learning rate.

    Args:
        tally: The figures of its micro-batches.
        norms: Of the gradient of each update, and whether it was finite.
        tokens: Sampled tokens that were learned from.
        epochs: How often.
        prepared: Whether log-probabilities were taken down before the first update.
    """
    seen = tokens * epochs
    taken = sum(finite for _, finite in norms)
    return LearnStats(
        loss=tally.sum("loss") / len(norms),
        grad_norm=sum(norm for norm, _ in norms) / len(norms),
        entropy=tally.sum("entropy") / seen,
        gap_mean=tally.sum("gap") / seen,
        gap_max=tally.sum("gap_max"),
        mismatch_mean=tally.sum("mismatch") / seen,
        mismatch_max=tally.sum("mismatch_max"),
        truncated=tally.sum("truncated") / seen,
        ratio_mean=tally.sum("ratio") / seen if prepared else 1.0,
        ratio_max=tally.sum("ratio_max", 1.0),
        clip_fraction=tally.sum("clipped") / seen,
        step_kl=tally.sum("step_kl") / tokens,
        reference_kl=tally.sum("reference_kl") / tokens,
        value_loss=tally.sum("value_loss") / seen,
        tokens=tokens,
        updates=taken,
        updated=taken > 0,
    )


def mismatch_figures(
    old: Tensor, behaviour: Tensor, mask: Tensor, correction: Correction
) -> dict[str, Tensor]:
    """Return how far the sampler is from the learner: raw gaps and ratios, and what was cut."""
    gap = (old - behaviour)[mask]
    rho = gap.exp()
    figures = {"gap": gap.abs().sum(), "gap_max": gap.abs().max()}
    figures |= {"mismatch": rho.sum(), "mismatch_max": rho.max()}
    bounded = correction.weights(old, behaviour, mask)
    limitless = None if correction.cap is None else float("inf")
    free = replace(correction, cap=limitless, band=None).weights(old, behaviour, mask)
    return figures | {"truncated": (bounded != free)[mask].sum()}


def ratio_figures(
    logprobs: Tensor, old: Tensor, mask: Tensor, algorithm: Algorithm
) -> dict[str, Tensor]:
    """Return how far the updates so far moved the policy: raw ratios, and what left the range."""
    raw = (logprobs - old)[mask].exp()
    level: RatioLevel = "sequence_mean" if algorithm.loss == "gspo" else algorithm.ratio
    shared = policy_ratio(logprobs, old, mask, level)[mask]
    low, high = 1 - algorithm.clip_low, 1 + algorithm.clip_high
    outside = ((shared < low) | (shared > high)).sum()
    clips = algorithm.loss in ("ppo_clip", "gspo", "cispo")
    return {
        "ratio": raw.sum(),
        "ratio_max": raw.max(),
        "clipped": outside if clips else torch.zeros_like(outside),
        "step_kl": k3(old[mask], logprobs[mask]).sum(),
    }
