"""Train a policy on preference pairs by DPO, and say how far it went from where it began.

The reference is the model that the run began from. Its log-probabilities of all pairs are taken
once, before the first step, so that the steps hold one model. The run folder holds what that of a
reward model does; ``model/`` is a plain model folder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from agentgym.algorithms.dpo import dpo, implicit_reward
from agentgym.algorithms.kl import k3
from agentgym.blocking import wait_for
from agentgym.evaluate.statistics import mean_interval
from agentgym.policy.pretrained import load_model
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rewardmodel.config import DpoConfig
from agentgym.rewardmodel.data import Data, encoded, read_sides, source_of
from agentgym.rewardmodel.encoding import EncodedPair, chunks
from agentgym.rewardmodel.fit import device_of_choice, fit, held_out_margins, mixed_precision
from agentgym.rewardmodel.train import FREE, preference_report, reliability_svg
from agentgym.train.batch import WeightedSample, pad
from agentgym.train.folder import RunFolder, write_json
from agentgym.train.logprobs import token_logprobs
from agentgym.train.loop import Run
from agentgym.types import Sample, SamplingParams

__all__ = ["answer_logprobs", "sequence_kl", "train_dpo"]


def answer_logprobs(
    model: Any, samples: Sequence[Sample], temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of what the mask holds, with gradient, and the mask.

    Args:
        model: A Hugging Face causal language model.
        samples: B sequences, the longest of T tokens.
        temperature: Of the distribution.

    Returns:
        Log-probabilities, shape (B, T - 1), float32, 0.0 outside the mask; the mask, bool.
    """
    device = next(model.parameters()).device
    batch = pad([WeightedSample(sample) for sample in samples])
    mask = batch.mask.to(device)
    with mixed_precision(device):
        logprobs, _ = token_logprobs(model, batch.ids.to(device), mask, temperature)
    return logprobs, mask


_Noted = dict[int, tuple[float, float]]  # by the pair's line: of the chosen and rejected answer


def _sums(model: Any, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of the chosen and of the rejected answers, each of shape (B,)."""
    samples = [item.chosen for item in items] + [item.rejected for item in items]
    logprobs, _ = answer_logprobs(model, samples)
    chosen, rejected = logprobs.sum(-1).chunk(2)
    return chosen, rejected


@torch.no_grad()
def _noted(reference: Any, items: Sequence[EncodedPair], tokens: int) -> _Noted:
    """Return the reference's log-probabilities of all items."""
    noted: _Noted = {}
    for chunk in chunks(items, tokens):
        chosen, rejected = _sums(reference, chunk)
        values = zip(chosen.tolist(), rejected.tolist(), strict=True)
        noted |= zip((item.pair.line for item in chunk), values, strict=True)
    return noted


class _Dpo:
    """The policy, what the reference said of every pair, and the loss."""

    def __init__(self, model: Any, noted: _Noted, config: DpoConfig) -> None:
        self.model = model
        self._noted = noted
        self._config = config

    def losses(self, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
        config = self._config
        chosen, rejected = _sums(self.model, items)
        noted = torch.tensor([self._noted[item.pair.line] for item in items])
        of_chosen, of_rejected = noted.to(chosen.device).unbind(1)
        losses = dpo(chosen, rejected, of_chosen, of_rejected, config.beta, config.label_smoothing)
        gained = implicit_reward(chosen, of_chosen, config.beta)
        margins = gained - implicit_reward(rejected, of_rejected, config.beta)
        return losses, margins.detach()


def train_dpo(config: DpoConfig, *, say: Callable[[str], None] | None = None) -> Run:
    """Train as the settings say; on a folder that holds a part of this run, go on from there.

    Args:
        config: The settings.
        say: Called with each line of progress; None prints nothing.

    Returns:
        The finished run; its summary has the accuracy of the implicit reward on held-out pairs
        and the KL of the policy to the reference.

    Raises:
        UsageError: If a setting, the pairs or the model cannot be as asked.
        RunError: If the folder is in use or belongs to another run.
    """
    say = say or (lambda _: None)
    with RunFolder(config, FREE | {"kl_samples", "max_tokens"}) as folder:
        sides = read_sides(config, folder)  # bad input is told before a model is loaded
        if (summary := folder.summary()) is not None:
            say(f"'{folder.path}' is finished: {summary['steps']} steps")
            return Run(folder.path, summary)
        start = time.perf_counter()
        source = source_of(config, folder, say)
        reference = _loaded(source.base)
        limit = getattr(reference.config, "max_position_embeddings", None)
        data = encoded(config, source, sides, limit)
        say("{train} pairs to learn from, {held_out} held out".format(**data.counts()))
        noted = _noted(reference, [*data.train, *data.held_out], config.micro_batch_tokens)
        del reference
        policy = _loaded(source.weights)
        objective = _Dpo(policy, noted, config)
        steps = fit(config, config.learning_rate, folder, source, data, objective, say)
        margins = held_out_margins(objective, data.held_out, config.micro_batch_tokens)
        summary = {"model": config.model, "steps": steps, "pairs": data.counts()}
        summary |= preference_report(margins, data.held_out)
        summary["margin"] = sum(margins) / len(margins)
        if config.kl_samples:
            say(f"sampling {config.kl_samples} answers to measure the KL to the reference")
            summary["kl"] = _kl_report(config, policy, _loaded(source.base), data)
        summary["wall_s"] = time.perf_counter() - start  # of this part of the run
        _keep(folder, policy, data, summary)
        return Run(folder.path, summary)


def _loaded(source: str) -> Any:
    # Not train(): dropout would make policy and reference differ before the first step.
    return load_model(source, torch.float32).to(device_of_choice()).eval()


def _kl_report(config: DpoConfig, policy: Any, reference: Any, data: Data) -> dict[str, Any]:
    """Answer held-out prompts with the policy and compare what both models think of the answers."""
    prompts = {item.pair.group: _prompt_ids(item) for item in data.held_out}
    chosen = list(prompts.values())[: config.kl_samples]
    samples = _answers(policy, chosen, data, config)
    values = sequence_kl(policy, reference, samples)
    interval = mean_interval(values)
    bounds = [interval.low, interval.high] if len(values) > 1 else None
    tokens = sum(sum(sample.mask) for sample in samples)
    per_token = sum(values) / max(1, tokens)
    return {"mean": interval.mean, "ci95": bounds, "per_token": per_token, "prompts": len(values)}


def _prompt_ids(item: EncodedPair) -> tuple[int, ...]:
    return item.chosen.ids[: item.chosen.mask.index(1)]


def _answers(
    policy: Any, prompts: Sequence[Sequence[int]], data: Data, config: DpoConfig
) -> list[Sample]:
    """Sample one answer to each prompt, at temperature 1, seeded."""
    sampler = TransformersPolicy(policy, data.tokenizer, device=str(device_of_choice()))

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(
                sampler.sample(ids, SamplingParams(_room(ids, sampler, config), seed=index))
                for index, ids in enumerate(prompts)
            )
        )

    completions = wait_for(all_of_them())
    return [
        Sample(
            (*ids, *done.ids),
            (0,) * len(ids) + (1,) * len(done.ids),
            (0.0,) * len(ids) + tuple(done.logprobs),
        )
        for ids, done in zip(prompts, completions, strict=True)
    ]


def _room(ids: Sequence[int], sampler: TransformersPolicy, config: DpoConfig) -> int:
    limit = sampler.context_limit
    return config.max_tokens if limit is None else max(1, min(config.max_tokens, limit - len(ids)))


@torch.no_grad()
def sequence_kl(
    policy: Any, reference: Any, samples: Sequence[Sample], rows: int = 16
) -> list[float]:
    """Estimate KL(policy || reference) of whole answers, in nats, by answers of the policy.

    The sum of k3 over the tokens of an answer is never negative, and its expectation is the KL of
    answers, as far as they were sampled.

    Args:
        policy: That sampled the answers, at temperature 1.
        reference: Whose distance is asked for.
        samples: Its answers.
        rows: Sequences of one forward.

    Returns:
        One estimate an answer.
    """
    values: list[float] = []
    for first in range(0, len(samples), rows):
        part = samples[first : first + rows]
        ours, mask = answer_logprobs(policy, part)
        theirs, _ = answer_logprobs(reference, part)
        values += k3(ours.double(), theirs.double()).masked_fill(~mask, 0.0).sum(-1).tolist()
    return values


def _keep(folder: RunFolder, policy: Any, data: Data, summary: dict[str, Any]) -> None:
    """Write the policy, the picture and, last, the summary."""
    target = folder.file("model")
    policy.save_pretrained(target)
    data.tokenizer.save_pretrained(target)
    folder.file("reliability.svg").write_text(reliability_svg(summary["calibration"]))
    write_json(folder.file("summary.json"), summary)
