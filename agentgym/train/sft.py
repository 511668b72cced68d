"""Teacher forcing on what an environment demonstrates: the warm start of a policy.

An environment writes out whole conversations (`Env.demonstrate`), correct ones and ones with a bad
habit. The model learns to predict what the assistant says in them, token by token.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any

import torch

from agentgym.chat.template import ChatTemplate
from agentgym.registry import make
from agentgym.rollout.transcript import Transcript
from agentgym.train.batch import WeightedSample, pad
from agentgym.train.logprobs import token_logprobs
from agentgym.train.starter import StarterRecipe
from agentgym.types import Completion, Message, Sample

__all__ = ["demonstrate", "encoded", "teach"]

_WARMUP_STEPS = 30
_DECAY_SHARE = 0.4  # of all steps, at the end


def encoded(tokenizer: Any, episodes: Sequence[Sequence[Message]]) -> list[Sample]:
    """Return conversations as samples to learn from."""
    template = ChatTemplate(tokenizer)
    return [written_out(template, messages) for messages in episodes]


def written_out(template: ChatTemplate, messages: Sequence[Message]) -> Sample:
    """Return a conversation as a sample whose mask is 1 on what the assistant says."""
    transcript = Transcript(template)
    heard: list[Message] = []
    for message in messages:
        if message.role != "assistant":
            heard.append(message)
            continue
        transcript.observe(heard)
        heard = []
        ids = (*template.encode(message.content), template.stop_ids[0])
        transcript.act(Completion(ids, (0.0,) * len(ids), "stop"))
    return transcript.samples()[-1]


def demonstrate(recipe: StarterRecipe, report: Callable[[str], None]) -> list[list[Message]]:
    """Return the recipe's demonstrations of tasks of the training split, as conversations."""
    rng = random.Random(recipe.seed)
    env: Any = make(recipe.env, split="train", **recipe.env_kwargs)
    episodes = []
    try:
        core = env.unwrapped
        ids = core.tasks.ids("train")
        for index in range(recipe.demonstrations):
            task = core.tasks.get(ids[index % len(ids)])
            rows = core.demonstrate(task, rng, flawed=rng.random() < recipe.flawed)
            episodes.append([Message(row["role"], row["content"]) for row in rows])
            if (index + 1) % 5000 == 0:
                report(f"demonstrations: {index + 1} of {recipe.demonstrations}")
    finally:
        env.close()
    return episodes


def _optimizers(model: Any, lr: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers, AdamW for all else.

    Source: Jordan 2024, "Muon: An optimizer for hidden layers in neural networks". It reaches in
    100 steps what AdamW takes 400 for here.
    """
    inner = {id(p) for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n}
    matrices = [p for p in model.parameters() if id(p) in inner]
    rest = [p for p in model.parameters() if id(p) not in inner]
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=0.0, momentum=0.95),
        torch.optim.AdamW(rest, lr=lr / 4, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _schedule(step: int, steps: int) -> float:
    """Return the share of the peak rate: linear warm-up, plateau, linear decay to zero."""
    return min(1.0, (step + 1) / _WARMUP_STEPS, (steps - step) / (_DECAY_SHARE * steps))


def teach(
    model: Any, samples: Sequence[Sample], recipe: StarterRecipe, report: Callable[[str], None]
) -> Any:
    """Minimise the mean negative log-likelihood of the masked tokens; return the model.

    Args:
        model: A causal language model; changed in place.
        samples: Demonstrations, gone through in order, again from the first when they run out.
        recipe: Steps, batch and learning rate.
        report: Called with one line now and then.
    """
    optimizers = _optimizers(model, recipe.lr)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    stream = cycle(samples)
    start = time.perf_counter()
    model.train()
    for step in range(recipe.steps):
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * _schedule(step, recipe.steps)
        batch = pad([WeightedSample(sample) for sample in islice(stream, recipe.batch)])
        logprobs, _ = token_logprobs(model, batch.ids, batch.mask)
        loss = -logprobs.sum() / batch.mask.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 50 == 0 or step == recipe.steps - 1:
            seconds = time.perf_counter() - start
            report(f"sft step {step + 1} of {recipe.steps}: loss {loss:.3f}, {seconds:.0f} s")
    return model.eval()
