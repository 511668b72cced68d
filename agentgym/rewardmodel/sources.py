"""Where the points of a watch come from: a training run, or a file of samples."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from agentgym.errors import ConfigError
from agentgym.rewardmodel.config import WatchConfig
from agentgym.rewardmodel.pairs import json_lines
from agentgym.rewardmodel.watch import Point, Scored, best_of_n
from agentgym.rollout.ledger import episode_from_json
from agentgym.types import Episode, Sample

__all__ = ["points_of_run", "points_of_samples"]

_STEP = re.compile(r'^\{"step": (\d+), ')


def points_of_samples(config: WatchConfig) -> list[Point]:
    """Return best-of-n points of a file of samples.

    Raises:
        ConfigError: If a line is not a sample, with its number, or there are too few.
    """
    rows = list(json_lines(config.source))
    for number, row in rows:
        _check(f"'{config.source}' line {number}", row, config.reward_model is not None)
    learned = [row.get("learned") for _, row in rows]
    open_rows = [at for at, value in enumerate(learned) if value is None]
    if open_rows and config.reward_model is not None:
        from agentgym.rewardmodel.learned import LearnedReward

        rule = LearnedReward(config.reward_model)
        asked = [rows[at][1] for at in open_rows]
        rewards = rule.rewards([row["prompt"] for row in asked], [row["answer"] for row in asked])
        for at, reward in zip(open_rows, rewards, strict=True):
            learned[at] = rule.standardised(reward)
    samples: dict[str, list[Scored]] = defaultdict(list)
    for (_, row), value in zip(rows, learned, strict=True):
        samples[row["prompt"]].append((float(row["gold"]), float(value or 0.0)))
    return best_of_n(samples)


def _check(where: str, row: Mapping[str, Any], has_model: bool) -> None:
    if not isinstance(row.get("prompt"), str) or not _is_number(row.get("gold")):
        raise ConfigError(f'{where} must have "prompt", a text, and "gold", a number')
    if row.get("learned") is not None:
        if not _is_number(row["learned"]):
            raise ConfigError(f"{where}: learned must be a number, not {row['learned']!r:.60}")
        return
    if not isinstance(row.get("answer"), str):
        raise ConfigError(f'{where} has neither "learned", a number, nor "answer", a text')
    if not has_model:
        raise ConfigError(f"{where} has no learned reward; give --reward-model to score it")


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def points_of_run(config: WatchConfig, say: Callable[[str], None]) -> list[Point]:
    """Return points of a training run: every so many steps, what was sampled there.

    The KL is that of the policy that sampled to the model that the run began from, by the recorded
    log-probabilities. An episode that a limit ended earned neither reward.

    Raises:
        ConfigError: If the folder is no run, or its verdicts have not both rules.
    """
    settings = _settings(config.source)
    episodes = _episodes(config.source / "episodes.jsonl", config.points)
    named = {
        rule.name
        for rows in episodes.values()
        for e in rows
        if e.verdict
        for rule in e.verdict.rules
    }
    for flag, name in (("gold", config.gold), ("learned", config.learned)):
        if name not in named:
            raise ConfigError(
                f"no verdict of '{config.source}' has a rule '{name}'; rules are {sorted(named)}: "
                f"choose by --{flag}"
            )
    reference = _reference(config, settings, say)
    points = []
    for step, rows in episodes.items():
        samples = [sample for episode in rows for sample in episode.samples]
        kl = _kl(reference, samples, float(settings.get("temperature", 1.0))) / len(rows)
        gold, learned = (_by_task(rows, name) for name in (config.gold, config.learned))
        points.append(Point(f"step {step}", kl, gold, learned))
        say(f"step {step}: KL {kl:.3f}, gold {fmean(gold.values()):.3f}")
    return points


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "config.json").read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{folder}' is no run folder: {error}") from error


def _episodes(path: Path, most: int) -> dict[int, list[Episode]]:
    """Return the scored episodes of at most so many steps, first and last among them."""
    if not path.exists():
        raise ConfigError(f"'{path}' is missing; the run has sampled nothing yet")
    with path.open(encoding="utf-8") as lines:
        steps = sorted({int(found[1]) for line in lines if (found := _STEP.match(line))})
    count = min(most, len(steps))
    wanted = {steps[round(i * (len(steps) - 1) / max(1, count - 1))] for i in range(count)}
    chosen: dict[int, list[Episode]] = {step: [] for step in sorted(wanted)}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            found = _STEP.match(line)
            if found is None or int(found[1]) not in wanted or not line.endswith("\n"):
                continue
            episode = episode_from_json(json.loads(line))
            if episode.verdict is not None:
                chosen[int(found[1])].append(episode)
    return {step: rows for step, rows in chosen.items() if rows}


def _by_task(episodes: Sequence[Episode], name: str) -> dict[str, float]:
    scores: dict[str, list[float]] = defaultdict(list)
    for episode in episodes:
        rules = episode.verdict.rules if episode.verdict else ()
        scores[episode.task_id].append(
            next((rule.score for rule in rules if rule.name == name), 0.0)
        )
    return {task: fmean(values) for task, values in scores.items()}


def _reference(config: WatchConfig, settings: Mapping[str, Any], say: Callable[[str], None]) -> Any:
    import torch

    from agentgym.policy.pretrained import load_model
    from agentgym.rewardmodel.fit import device_of_choice

    name = config.reference or str(settings.get("model", "starter"))
    if name == "starter":
        from agentgym.train.starter import StarterRecipe, ensure_starter

        recipe = StarterRecipe(env=settings["env"], env_kwargs=settings["env_kwargs"])
        name = str(ensure_starter(recipe, say))
    return load_model(name, torch.float32).to(device_of_choice()).eval()


def _kl(reference: Any, samples: Sequence[Sample], temperature: float, rows: int = 16) -> float:
    """Return the sum over samples of the estimated KL, in nats, by k3 as `sequence_kl`."""
    import torch

    from agentgym.algorithms.kl import k3
    from agentgym.rewardmodel.dpo import answer_logprobs

    total = 0.0
    for first in range(0, len(samples), rows):
        part = samples[first : first + rows]
        with torch.no_grad():
            theirs, mask = answer_logprobs(reference, part, temperature)
        ours = torch.zeros(mask.shape)
        for row, sample in enumerate(part):
            ours[row, : len(sample.ids) - 1] = torch.tensor(sample.logprobs[1:])
        values = k3(ours.double(), theirs.cpu().double())
        total += float(values[mask.cpu()].sum())
    return total
