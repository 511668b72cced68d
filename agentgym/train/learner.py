"""The learner: groups of episodes in, one verified step of the weights out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agentgym.algorithms.advantages import group_advantages
from agentgym.algorithms.losses import LOSSES, aggregate, denominator
from agentgym.algorithms.presets import preset
from agentgym.train.batch import Batch, WeightedSample, micro_batches
from agentgym.train.config import TrainConfig
from agentgym.train.logprobs import token_logprobs
from agentgym.train.lora import Adapter, adapt, merged_tensors
from agentgym.train.packing import use_packed_attention
from agentgym.train.recompute import recompute_layers
from agentgym.types import Group

__all__ = ["LearnStats", "Learner", "weigh"]


@dataclass(frozen=True, slots=True)
class LearnStats:
    """What one step of the learner did.

    Attributes:
        loss: The objective that was differentiated.
        grad_norm: Before clipping.
        entropy: Mean over the sampled tokens, in nats.
        gap_mean: Mean absolute difference of learner and sampler log-probabilities, in nats.
        gap_max: The largest.
        tokens: Sampled tokens that were learned from.
        lr: Learning rate of this step.
        updated: False where there was nothing to learn from, or the gradient was not finite.
    """

    loss: float = 0.0
    grad_norm: float = 0.0
    entropy: float = 0.0
    gap_mean: float = 0.0
    gap_max: float = 0.0
    tokens: int = 0
    lr: float = 0.0
    updated: bool = False


def weigh(groups: Sequence[Group], advantage: str, skip_no_signal: bool) -> list[WeightedSample]:
    """Give every sample of every scored episode the advantage of its episode.

    Unscored episodes leave the batch; the baseline is taken over their valid siblings only.

    Args:
        groups: Siblings of one task each.
        advantage: A name of `agentgym.algorithms.advantages.ADVANTAGES`.
        skip_no_signal: Leave out groups in which every advantage is zero.
    """
    items: list[WeightedSample] = []
    for group in groups:
        advantages = group_advantages(advantage, [episode.reward for episode in group.episodes])
        if skip_no_signal and not any(advantages):
            continue
        for episode, value in zip(group.episodes, advantages, strict=True):
            if value is not None:
                items.extend(WeightedSample(sample, value) for sample in episode.samples)
    return items


class Learner:
    """Owns the model's weights and the optimizer's state.

    Args:
        model: A Hugging Face causal language model, weights in float32.
        config: Algorithm and optimizer settings.
        device: Where to learn.
    """

    def __init__(self, model: Any, config: TrainConfig, device: torch.device) -> None:
        # Not train(): dropout would make this another distribution than the one that sampled.
        self.model = model.to(device).eval()
        self.device = device
        self.config = config
        self.algorithm = preset(config.algorithm)
        self.packing = device.type == "cuda" if config.packing is None else config.packing
        self._prepare()
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )

    def _prepare(self) -> None:
        """Change the model as the settings say: attention, adapter, checkpointing, compilation."""
        if self.packing:
            use_packed_attention(self.model)
        if self.config.lora_rank is not None:
            adapt(self.model, self.config.lora_rank, self.config.lora_alpha, self.config.seed)
        if self.config.gradient_checkpointing:
            recompute_layers(self.model)
        if self.config.compile:
            self.model.base_model.compile(dynamic=True)

    def step(self, items: Sequence[WeightedSample], step: int) -> LearnStats:
        """Take one step on all items together, gradients accumulated over micro-batches.

        Args:
            items: Samples with their advantages.
            step: Which step of the run this is, from 0; decides the warm-up.
        """
        lr = self.config.learning_rate * min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        if not items:
            return LearnStats(lr=lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        divisor = self._denominator(items)
        parts = [self._accumulate(batch, divisor) for batch in self._batches(items)]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        finite = bool(torch.isfinite(norm))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss, entropy, gap = (torch.stack([part[i] for part in parts]).sum() for i in range(3))
        tokens = sum(sum(item.sample.mask) for item in items)
        return LearnStats(
            loss=float(loss),
            grad_norm=float(norm),
            entropy=float(entropy) / tokens,
            gap_mean=float(gap) / tokens,
            gap_max=float(torch.stack([part[3] for part in parts]).max()),
            tokens=tokens,
            lr=lr,
            updated=finite,
        )

    def _batches(self, items: Sequence[WeightedSample]) -> Iterator[Batch]:
        tokens = self.config.micro_batch_tokens
        for batch in micro_batches(items, tokens, packed=self.packing):
            yield batch.to(self.device)

    def _denominator(self, items: Sequence[WeightedSample]) -> float:
        """Return what the sum of all micro-batches' losses is divided by.

        ``constant`` is the number of episodes that was asked for: the loss is then minus the
        estimate of the expected return, whatever the lengths and however many groups had a signal.
        """
        if self.algorithm.aggregation == "constant":
            return float(self.config.tasks_per_step * self.config.group_size)
        tokens = [sum(item.sample.mask) for item in items]
        return denominator(self.algorithm.aggregation, tokens)

    def _accumulate(self, batch: Batch, divisor: float) -> tuple[Tensor, ...]:
        """Add the gradient of one micro-batch; return loss, and sums of entropy and gap."""
        with self._autocast():
            logprobs, entropy = token_logprobs(
                self.model,
                batch.ids,
                batch.mask,
                self.config.temperature,
                lengths=batch.lengths if self.packing else None,
            )
        per_token = LOSSES[self.algorithm.loss](
            logprobs,
            logprobs.detach(),
            batch.behaviour_logprobs,
            batch.advantages,
            batch.mask,
            cap=self.config.importance_cap,
        )
        loss = aggregate(per_token, batch.mask, self.algorithm.aggregation, denominator=divisor)
        loss.backward()  # type: ignore[no-untyped-call]
        gap = (logprobs.detach() - batch.behaviour_logprobs).abs()[batch.mask]
        return loss.detach(), entropy.sum(), gap.sum(), gap.max()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each weight once under its Hugging Face name; tied ones under the first."""
        yield from merged_tensors(self.model)

    def checkpointed(self) -> Any:
        """Return what a checkpoint keeps: the model, or its adapter alone."""
        return self.model if self.config.lora_rank is None else Adapter(self.model)

    def save_pretrained(self, folder: Path) -> None:
        """Write the whole model, its adapter merged in."""
        merged = None if self.config.lora_rank is None else dict(self.named_tensors())
        self.model.save_pretrained(folder, state_dict=merged)

    @torch.no_grad()
    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]`` given what stands before each (temperature 1)."""
        tensor = torch.tensor([list(ids)], device=self.device)
        mask = torch.ones((1, len(ids) - 1), dtype=torch.bool, device=self.device)
        with self._autocast():
            logprobs, _ = token_logprobs(self.model, tensor, mask)
        return [float(value) for value in logprobs[0]]
