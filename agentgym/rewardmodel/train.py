"""Train a reward model on preference pairs, test it on those held out, and keep it.

The run folder holds ``config.json``, ``metrics.jsonl``, ``checkpoints/``, ``model/`` (what
`LearnedReward` reads), ``reliability.svg`` and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import correlation, fmean, pstdev
from typing import Any

import torch
from torch import Tensor

from agentgym.algorithms.bradley_terry import bradley_terry
from agentgym.errors import RunError
from agentgym.evaluate.curve import curve_svg
from agentgym.policy.pretrained import load_model
from agentgym.rewardmodel.calibration import accuracy, calibration
from agentgym.rewardmodel.config import RewardModelConfig
from agentgym.rewardmodel.data import Data, Source, encoded, read_sides, source_of
from agentgym.rewardmodel.encoding import EncodedPair, chunks
from agentgym.rewardmodel.fit import device_of_choice, fit, mixed_precision
from agentgym.rewardmodel.model import CARD, RewardModel
from agentgym.train.folder import RunFolder, write_json
from agentgym.train.loop import Run

__all__ = ["FREE", "preference_report", "reliability_svg", "train_reward_model"]

FREE = frozenset({"micro_batch_tokens", "out", "save_every"})


class _BradleyTerry:
    """The reward model and its loss."""

    def __init__(self, model: RewardModel, config: RewardModelConfig) -> None:
        self.model = model
        self._config = config

    def rewards(self, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
        """Return the rewards of the chosen and of the rejected answers, each of shape (B,)."""
        samples = [item.chosen for item in items] + [item.rejected for item in items]
        with mixed_precision(self.model.head.weight.device):
            chosen, rejected = self.model(samples).chunk(2)
        return chosen, rejected

    def losses(self, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
        chosen, rejected = self.rewards(items)
        margins = [item.pair.margin or self._config.margin for item in items]
        least = torch.tensor(margins, device=chosen.device)
        losses = bradley_terry(chosen, rejected, least, centering=self._config.centering)
        return losses, (chosen - rejected).detach()


def train_reward_model(
    config: RewardModelConfig, *, say: Callable[[str], None] | None = None
) -> Run:
    """Train as the settings say; on a folder that holds a part of this run, go on from there.

    Args:
        config: The settings.
        say: Called with each line of progress; None prints nothing.

    Returns:
        The finished run; its ``model`` is what `LearnedReward` takes.

    Raises:
        UsageError: If a setting, the pairs or the model cannot be as asked.
        RunError: If the folder is in use or belongs to another run, or the model learned nothing
            that is a number.
    """
    say = say or (lambda _: None)
    with RunFolder(config, FREE) as folder:
        sides = read_sides(config, folder)  # bad input is told before a model is loaded
        if (summary := folder.summary()) is not None:
            say(f"'{folder.path}' is finished: {summary['steps']} steps")
            return Run(folder.path, summary)
        start = time.perf_counter()
        source = source_of(config, folder, say)
        model = _model(source, config.seed)
        limit = getattr(model.base.config, "max_position_embeddings", None)
        data = encoded(config, source, sides, limit)
        say("{train} pairs to learn from, {held_out} held out".format(**data.counts()))
        objective = _BradleyTerry(model.to(device_of_choice()), config)
        steps = fit(config, config.learning_rate, folder, source, data, objective, say)
        summary = {"model": config.model, "steps": steps, "pairs": data.counts()}
        summary |= _tested(objective, data, config.micro_batch_tokens)
        summary["wall_s"] = time.perf_counter() - start  # of this part of the run
        _keep(folder, model, data, summary)
        return Run(folder.path, summary)


def _model(source: Source, seed: int) -> RewardModel:
    if source.found is not None:
        return RewardModel.load(Path(source.weights))
    return RewardModel(load_model(source.weights, torch.float32), seed)


@torch.no_grad()
def _tested(objective: _BradleyTerry, data: Data, tokens: int) -> dict[str, Any]:
    """Return what the held-out pairs say of the model."""
    items: list[EncodedPair] = []
    chosen: list[float] = []
    rejected: list[float] = []
    for chunk in chunks(data.held_out, tokens):
        of_chosen, of_rejected = objective.rewards(chunk)
        items += chunk
        chosen += of_chosen.tolist()
        rejected += of_rejected.tolist()
    if not all(map(math.isfinite, chosen + rejected)):
        raise RunError("the rewards are not finite after training; lower --lr, choose a new --out")
    margins = [a - b for a, b in zip(chosen, rejected, strict=True)]
    rewards = {"mean": fmean(chosen + rejected), "std": pstdev(chosen + rejected)}
    lengths = [sum(item.chosen.mask) for item in items] + [sum(i.rejected.mask) for i in items]
    return preference_report(margins, items) | {
        "reward": rewards,
        "reward_length_correlation": _correlation(chosen + rejected, lengths),
    }


def preference_report(margins: Sequence[float], items: Sequence[EncodedPair]) -> dict[str, Any]:
    """Return accuracy and calibration on held-out pairs, as plain data.

    Beside them stands the accuracy of a rule that prefers the longer answer: a model that is no
    better has learned to count.

    Args:
        margins: Reward of each chosen answer less that of the rejected one.
        items: The pairs.
    """
    right = accuracy(margins, [item.pair.group for item in items])
    longer = [sum(item.chosen.mask) - sum(item.rejected.mask) for item in items]
    return {
        "accuracy": {"mean": right.mean, "ci95": [right.low, right.high]},
        "longer_is_chosen": fmean((gap > 0) + (gap == 0) / 2 for gap in longer),
        "calibration": json.loads(json.dumps(asdict(calibration(margins)))),  # lists, as read back
    }


def _correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    if min(pstdev(left), pstdev(right)) == 0:
        return None
    return correlation(left, right)


def _keep(folder: RunFolder, model: RewardModel, data: Data, summary: dict[str, Any]) -> None:
    """Write the model, its card, the picture and, last, the summary."""
    target = folder.file("model")
    model.save_pretrained(target)
    data.tokenizer.save_pretrained(target)
    mean, std = summary["reward"]["mean"], summary["reward"]["std"]
    # Of a single reward for everything, which only a model that learned nothing gives.
    card = {"format": 1, "mean": mean, "std": std or 1.0, "report": summary}
    write_json(target / CARD, card)
    found = summary["calibration"]
    folder.file("reliability.svg").write_text(reliability_svg(found))
    write_json(folder.file("summary.json"), summary)


def reliability_svg(found: dict[str, Any]) -> str:
    """Draw observed share against probability; a calibrated model lies on the diagonal."""
    marks = [
        (row["predicted"], row["observed"], *row["ci95"]) for row in found["table"] if row["pairs"]
    ]
    return curve_svg(
        {"calibrated": [(0.5, 0.5), (1.0, 1.0)]},
        title=f"calibration error {found['error']:.3f}",
        x_label="probability of the answer that the model prefers",
        y_label="share in which it was chosen",
        marks={"held-out pairs, 95% interval": marks},
    )
