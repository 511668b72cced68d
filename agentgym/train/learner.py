"""The learner: weighed samples in, a step of the weights out.

A batch that is used for one update goes through the model once. One that is used for more, or that
needs a reference or a critic, is first prepared: what was so before the first update is recorded.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agentgym.algorithms.advantages import ADVANTAGES
from agentgym.algorithms.kl import AdaptiveKL, adapted, k3, kl_loss
from agentgym.algorithms.losses import LOSSES, aggregate, denominator, entropy_bonus, value_loss
from agentgym.algorithms.own import row_or_own
from agentgym.algorithms.ratios import Correction
from agentgym.train.batch import Batch, WeightedSample, pad, shared_out
from agentgym.train.config import TrainConfig
from agentgym.train.credit import CreditState, Weighed, weigh, weighed
from agentgym.train.critic import Critic, hidden_states
from agentgym.train.learned import Trace
from agentgym.train.logprobs import token_logprobs
from agentgym.train.lora import Adapter, adapt, merged_tensors
from agentgym.train.packing import shares_prompts, use_packed_attention
from agentgym.train.prepared import Prepared, credited, rows_of, stacked, whitened
from agentgym.train.recompute import recompute_layers
from agentgym.train.tally import LearnStats, Tally, learn_stats, mismatch_figures, ratio_figures
from agentgym.types import Group

__all__ = ["LearnStats", "Learner", "weigh"]

_KL_HORIZON = 10_000  # episodes over which a steered coefficient changes by about its own size


class Learner:
    """Owns the model's weights, the optimizer's state, and what advantages remember.

    Args:
        model: A Hugging Face causal language model, weights in float32.
        config: Algorithm and optimizer settings.
        device: Where to learn.
        reference: The model that a divergence is taken to; None copies ``model`` as it is now,
            where the algorithm asks for one.
    """

    def __init__(
        self, model: Any, config: TrainConfig, device: torch.device, reference: Any = None
    ) -> None:
        # Not train(): dropout would make this another distribution than the one that sampled.
        self.model = model.to(device).eval()
        self.device = device
        self.config = config
        self.algorithm = config.parts
        self.packing = device.type == "cuda" if config.packing is None else config.packing
        self.correction = _correction(config)
        self.loss = row_or_own("loss", self.algorithm.loss, LOSSES)
        if not self.algorithm.critic:
            row_or_own("advantage", self.algorithm.advantage, ADVANTAGES)  # fails now, not later
        self.credit = CreditState(kl_coefficient=self.algorithm.kl_coefficient)
        self.reference = self._reference(reference)
        self._prepare()
        models = [self.model] if self.reference is None else [self.model, self.reference]
        self.sharing = shares_prompts(config.share_prompts, self.packing, *models)
        self.critic = self._critic()
        self.optimizer = torch.optim.AdamW(
            self._parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )

    def _reference(self, reference: Any) -> Any:
        if self.algorithm.kl == "none":
            return None
        kept = copy.deepcopy(self.model) if reference is None else reference.to(self.device)
        if self.packing:
            use_packed_attention(kept)
        return kept.eval().requires_grad_(False)

    def _critic(self) -> Critic | None:
        if not self.algorithm.critic:
            return None
        width = self.model.get_input_embeddings().embedding_dim
        width = getattr(self.model.config, "hidden_size", width)
        return Critic(width, self.config.seed).to(self.device)

    def _parameters(self) -> list[dict[str, Any]]:
        """Return the optimizer's groups, each with the rate that its warm-up leads to."""
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [{"params": learned}]
        if self.critic is not None:
            groups.append({"params": list(self.critic.parameters())})
        return groups

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

    def weigh(self, groups: Sequence[Group]) -> Weighed:
        """Give every sample what it is worth, and remember what later batches need."""
        result = weighed(
            groups,
            self.algorithm,
            self.credit,
            skip_no_signal=self.config.skip_no_signal,
            turn_tokens=self.config.turn_tokens,
        )
        self.credit = result.state
        return result

    def step(
        self, items: Sequence[WeightedSample], step: int, trace: Trace | None = None
    ) -> LearnStats:
        """Learn from all items together: one update, or one for each mini-batch of each epoch.

        Args:
            items: Samples with their advantages (with ``gae``: with their rewards).
            step: Which step of the run this is, from 0; decides the warm-up.
            trace: Gets what the gradient saw of each item; None keeps nothing of it.
        """
        warm = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        lr = self.config.learning_rate * warm
        if not items:
            return LearnStats(lr=lr)
        for group, rate in zip(
            self.optimizer.param_groups, (lr, self.config.critic_lr * warm), strict=False
        ):
            group["lr"] = rate
        tally, norms = Tally(), []
        if self._must_prepare:
            items, trace = self._prepared(items, tally, trace), None  # it has all that there is
        for epoch in range(self.algorithm.epochs):
            tally.forget("step_kl")
            parts = self._minibatches(items, step, epoch)
            for part in parts:
                divisor = self._denominator(part, len(parts))
                tokens = _tokens(part)
                for chosen, batch in self._batches(part):
                    tally.add(self._accumulate(batch, chosen, divisor, tokens, trace))
                norms.append(self._update())
        stats = learn_stats(
            tally,
            norms,
            tokens=_tokens(items),
            epochs=self.algorithm.epochs,
            prepared=self._must_prepare,
        )
        self._adapt(stats, len(items))
        return replace(stats, lr=lr)

    @property
    def _must_prepare(self) -> bool:
        """Whether something must be known before the first update."""
        algorithm = self.algorithm
        by_token = algorithm.gamma < 1 or algorithm.whiten or algorithm.kl != "none"
        return algorithm.updates > 1 or by_token or self.critic is not None

    @torch.no_grad()
    def _prepared(
        self, items: Sequence[WeightedSample], tally: Tally, trace: Trace | None
    ) -> list[Prepared]:
        """Record what is so before the first update; the order of the items stays."""
        made: dict[int, Prepared] = {}
        for chosen, batch in self._batches(items):
            old, _ = self._logprobs(self.model, batch)
            known = {"old": old}
            if trace is not None:
                trace.add(chosen, batch, old, self.correction)
            if self.reference is not None:
                known["reference"], _ = self._logprobs(self.reference, batch)
                divergence = k3(old, known["reference"])[batch.mask]
                tally.add({"reference_kl": divergence.sum()})
            if self.critic is not None:
                with self._autocast():
                    lengths = batch.lengths if self.packing else None
                    states = hidden_states(
                        self.model, batch.ids, batch.mask, lengths, share=self.sharing
                    ).float()
                known["states"] = states
                known["values"] = torch.zeros_like(old).masked_scatter(
                    batch.mask, self.critic(states)
                )
            known |= credited(batch, known, self.algorithm, self.credit.kl_coefficient)
            ready = rows_of(chosen, batch, known)
            made |= {id(item): row for item, row in zip(chosen, ready, strict=True)}
        ordered = [made[id(item)] for item in items]
        if self.algorithm.whiten:
            ordered = whitened(ordered)
        if trace is not None:
            trace.credit(ordered)
        return ordered

    def _minibatches(
        self, items: Sequence[WeightedSample], step: int, epoch: int
    ) -> list[list[WeightedSample]]:
        """Share the items out at random over the mini-batches of an epoch."""
        count = min(self.algorithm.minibatches, len(items))
        order = list(items)
        if count > 1:
            random.Random(f"{self.config.seed}/{step}/{epoch}").shuffle(order)
        return [order[first::count] for first in range(count)]

    def _batches(
        self, items: Sequence[WeightedSample]
    ) -> Iterator[tuple[list[WeightedSample], Batch]]:
        tokens = self.config.micro_batch_tokens
        for chosen in shared_out(items, tokens, packed=self.packing, share=self.sharing):
            yield chosen, pad(chosen).to(self.device)

    def _denominator(self, items: Sequence[WeightedSample], parts: int) -> float:
        """Return what the sum of all micro-batches' losses is divided by.

        ``constant`` is the number of episodes that was asked for: the loss is then minus the
        estimate of the expected return, whatever the lengths and however many groups had a signal.
        """
        if self.algorithm.aggregation == "constant":
            return float(self.config.tasks_per_step * self.config.group_size) / parts
        tokens = [sum(item.sample.mask) for item in items]
        return denominator(self.algorithm.aggregation, tokens)

    def _logprobs(
        self, model: Any, batch: Batch, entropy_gradient: bool = False
    ) -> tuple[Tensor, Tensor]:
        with self._autocast():
            return token_logprobs(
                model,
                batch.ids,
                batch.mask,
                self.config.temperature,
                lengths=batch.lengths if self.packing else None,
                share=self.sharing,
                entropy_gradient=entropy_gradient,
            )

    def _accumulate(
        self,
        batch: Batch,
        items: Sequence[WeightedSample],
        divisor: float,
        tokens: int,
        trace: Trace | None,
    ) -> dict[str, Tensor]:
        """Add the gradient of one micro-batch; return its figures.

        Args:
            batch: It.
            items: Its rows.
            divisor: Of the policy's loss, for all micro-batches of this update.
            tokens: Sampled tokens of this update, over which the critic's loss is a mean.
            trace: Gets what is so before this update, the only one.
        """
        known = stacked(items, batch.mask.shape[1])
        bonus = self.algorithm.entropy_coefficient
        logprobs, entropy = self._logprobs(self.model, batch, bonus > 0)
        old = known.get("old", logprobs.detach())
        if trace is not None:
            trace.add(items, batch, old, self.correction)
        per_token = self.loss(
            logprobs,
            old,
            batch.behaviour_logprobs,
            known.get("advantages", batch.advantages),
            batch.mask,
            correction=self.correction,
            **self._loss_settings(),
        )
        if bonus:
            placed = torch.zeros_like(logprobs).masked_scatter(batch.mask, entropy)
            per_token = per_token + entropy_bonus(placed, batch.mask, bonus)
        if self.algorithm.kl == "loss":
            per_token = per_token + self._divergence(logprobs, known, batch.mask)
        loss = aggregate(per_token, batch.mask, self.algorithm.aggregation, denominator=divisor)
        figures = {"loss": loss.detach(), "entropy": entropy.detach().sum()}
        if self.critic is not None:
            error = self._value_loss(known, batch.mask)
            figures["value_loss"] = error.detach()
            loss = loss + error / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            figures |= mismatch_figures(old, batch.behaviour_logprobs, batch.mask, self.correction)
            if "old" in known:
                figures |= ratio_figures(logprobs.detach(), old, batch.mask, self.algorithm)
        return figures

    def _loss_settings(self) -> dict[str, Any]:
        """Return the parts that the loss takes as arguments."""
        parts = self.algorithm
        clip = {"clip_low": parts.clip_low, "clip_high": parts.clip_high}
        settings: dict[str, dict[str, Any]] = {
            "policy_gradient": {},
            "ppo_clip": {**clip, "ratio": parts.ratio, "dual_clip": parts.dual_clip or None},
            "ppo_penalty": {"coefficient": self.credit.penalty},
            "gspo": clip,
            "cispo": clip,
        }
        return settings.get(parts.loss, {})

    def _divergence(self, logprobs: Tensor, known: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        name, _, exact = self.algorithm.kl_estimator.partition("_")
        terms = kl_loss(
            logprobs, known["old"], known["reference"], mask, estimator=name, exact=bool(exact)
        )
        return self.credit.kl_coefficient * terms

    def _value_loss(self, known: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Return the sum over the tokens of the critic's loss."""
        assert self.critic is not None
        values = torch.zeros_like(known["values"]).masked_scatter(
            mask, self.critic(known["states"])
        )
        clip = self.algorithm.value_clip or None
        return value_loss(values, known["values"], known["returns"], mask, clip=clip).sum()

    def _update(self) -> tuple[float, bool]:
        """Take an optimizer step; return the norm of the gradient and whether it was finite."""
        most = self.config.max_grad_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), most)
        finite = bool(torch.isfinite(norm))
        if self.critic is not None:
            of_critic = torch.nn.utils.clip_grad_norm_(self.critic.parameters(), most)
            finite = finite and bool(torch.isfinite(of_critic))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm), finite

    def _adapt(self, stats: LearnStats, episodes: int) -> None:
        """Steer the coefficients that are steered."""
        parts = self.algorithm
        if parts.kl != "none" and parts.kl_target:
            steered = AdaptiveKL(self.credit.kl_coefficient, parts.kl_target, _KL_HORIZON)
            coefficient = steered.updated(stats.reference_kl, episodes).coefficient
            self.credit = replace(self.credit, kl_coefficient=coefficient)
        if parts.loss == "ppo_penalty":
            penalty = adapted(self.credit.penalty, stats.step_kl, parts.step_kl)
            self.credit = replace(self.credit, penalty=penalty)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps beside the model and the optimizer."""
        critic = {} if self.critic is None else self.critic.state_dict()
        return {"credit": asdict(self.credit), "critic": critic}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; from an older run's nothing, as at the beginning."""
        if "credit" in state:
            self.credit = CreditState.from_json(state["credit"])
        if self.critic is not None and state.get("critic"):
            self.critic.load_state_dict(state["critic"])

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


def _tokens(items: Sequence[WeightedSample]) -> int:
    """Return how many tokens of the items were sampled."""
    return sum(sum(item.sample.mask) for item in items)


def _correction(config: TrainConfig) -> Correction:
    """Return how ``pi_old / mu`` is made up for."""
    band = config.parts.mismatch_band
    return Correction(
        config.parts.mismatch, config.importance_cap, (1 - band, 1 + band) if band else None
    )
