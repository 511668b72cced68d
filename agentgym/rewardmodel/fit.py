"""The steps of learning from preference pairs, whatever the loss; and the test on held-out pairs.

Which pairs a step sees depends on the seed and the step alone, so a run that was killed goes on
from its newest checkpoint as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from agentgym.rewardmodel.config import PairsConfig
from agentgym.rewardmodel.data import Data, Source
from agentgym.rewardmodel.encoding import EncodedPair, chunks
from agentgym.train import checkpoint
from agentgym.train.folder import RunFolder
from agentgym.train.metrics import MetricsLog
from agentgym.train.schedule import Schedule

__all__ = ["Objective", "device_of_choice", "fit", "held_out_margins", "mixed_precision"]

_DECAY_SHARE = 0.4  # of all steps, at the end
_LINES = 20  # of progress


class Objective(Protocol):
    """A model and its loss on pairs.

    Attributes:
        model: What is trained; a torch module with ``save_pretrained``.
    """

    model: Any

    def losses(self, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
        """Return the loss of every pair, shape (B,), and its reward margin, without gradient."""
        ...


def device_of_choice() -> torch.device:
    """Return CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context of a forward: bfloat16 on CUDA, float32 elsewhere."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def fit(
    config: PairsConfig,
    lr: float,
    folder: RunFolder,
    source: Source,
    data: Data,
    objective: Objective,
    say: Callable[[str], None],
) -> int:
    """Take all steps that are left, with checkpoints; return how many the run has.

    Args:
        config: Of the run.
        lr: Peak learning rate.
        folder: Where metrics and checkpoints go.
        source: With the checkpoint that the objective's model was loaded from, if there is one.
        data: Its training pairs are learned from.
        objective: The model and its loss.
        say: Called with a line of progress now and then.
    """
    steps = math.ceil(len(data.train) * config.epochs / config.batch)
    schedule = Schedule([str(i) for i in range(len(data.train))], config.batch, config.seed)
    optimizer = torch.optim.AdamW(
        objective.model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=config.weight_decay
    )
    done, start = 0, time.perf_counter()
    with MetricsLog(folder.file("metrics.jsonl")) as metrics:
        if source.found is not None:
            done = source.found.step
            optimizer.load_state_dict(source.found.optimizer)
            say(f"going on after step {done} of {steps}")
        metrics.truncate_to(source.found.metrics_bytes if source.found else 0)
        first = done
        while done < steps:
            items = [data.train[int(index)] for index in schedule.tasks(done)]
            rate = lr * _warmth(done, steps, config.warmup_steps)
            row = {"step": done + 1} | _step(objective, optimizer, items, config, rate)
            done += 1
            metrics.append(row)
            if done % max(1, steps // _LINES) == 0 or done == steps:
                left = (time.perf_counter() - start) / (done - first) * (steps - done)
                say(_line(row, steps, left))
            if done % config.save_every == 0 or done == steps:
                _save(folder, done, objective, optimizer, metrics, data.tokenizer)
    return steps


def _warmth(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak rate: linear warm-up, plateau, linear decay to zero."""
    return min(1.0, (step + 1) / max(1, warmup), (steps - step) / (_DECAY_SHARE * steps))


def _step(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    items: Sequence[EncodedPair],
    config: PairsConfig,
    lr: float,
) -> dict[str, Any]:
    """Take one step on the mean loss of the items; return its metrics."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    total, margins = 0.0, []
    for chunk in chunks(items, config.micro_batch_tokens):
        losses, margin = objective.losses(chunk)
        loss = losses.sum() / len(items)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
        margins += margin.tolist()
    norm = torch.nn.utils.clip_grad_norm_(objective.model.parameters(), config.max_grad_norm)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {
        "loss": total,
        "accuracy": sum(margin > 0 for margin in margins) / len(margins),
        "margin": sum(margins) / len(margins),
        "grad_norm": float(norm),
        "lr": lr,
        "updated": finite,
    }


def _line(row: dict[str, Any], steps: int, left_s: float) -> str:
    return (
        f"step {row['step']} of {steps}: loss {row['loss']:.3f}, accuracy {row['accuracy']:.3f}, "
        f"{left_s:.0f} s left"
    )


def _save(
    folder: RunFolder,
    step: int,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    metrics: MetricsLog,
    tokenizer: Any,
) -> None:
    metrics.sync()
    state = checkpoint.Checkpoint(
        step=step,
        model=folder.checkpoints,
        optimizer=optimizer.state_dict(),
        metrics_bytes=metrics.position(),
    )
    checkpoint.save(folder.checkpoints, state, objective.model, tokenizer, keep=2)


@torch.no_grad()
def held_out_margins(
    objective: Objective, items: Sequence[EncodedPair], tokens: int
) -> list[float]:
    """Return the reward of each chosen answer less that of the rejected one, in order."""
    margins: dict[int, float] = {}
    for chunk in chunks(items, tokens):
        _, values = objective.losses(chunk)
        margins |= zip((id(item) for item in chunk), values.tolist(), strict=True)
    return [margins[id(item)] for item in items]
