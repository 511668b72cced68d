"""A reward model that is right on its pairs, and what becomes of it as a goal.

It learns from 3,000 demonstrations of agentgym/PythonMath-v0, the right way against a bad habit.
Then the policy that is to be trained answers tasks, 16 times each, and the best answer of n by the
learned reward is compared with the truth, the verifier. Run it with

    python examples/overoptimisation.py --out runs/overoptimisation
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import agentgym as ag
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rewardmodel.config import RewardModelConfig
from agentgym.rewardmodel.learned import LearnedReward
from agentgym.rewardmodel.train import train_reward_model
from agentgym.rewardmodel.watch import best_of_n, watch, write_report
from agentgym.rollout.spec import EpisodeLimits
from agentgym.train.starter import ensure_starter
from agentgym.types import SamplingParams

ENV = "agentgym/PythonMath-v0"


def first_turn(roles: list[str]) -> int:
    """Return where the agent speaks first."""
    return roles.index("assistant")


def write_pairs(file: Path, count: int) -> None:
    """Write pairs of demonstrations of the training split."""
    env: Any = ag.make(ENV, split="train").unwrapped
    rng = random.Random(0)
    rows = []
    for task_id in env.tasks.ids("train")[:count]:
        task = env.tasks.get(task_id)
        right, wrong = (env.demonstrate(task, rng, flawed=flawed) for flawed in (False, True))
        at = first_turn([row["role"] for row in right])
        rows.append({"prompt": right[:at], "chosen": right[at:], "rejected": wrong[at:]})
    file.write_text("\n".join(map(json.dumps, rows)))


def scored(policy: Any, rule: LearnedReward, asked: argparse.Namespace) -> dict[str, list[Any]]:
    """Return task to (gold, learned) of the policy's answers."""
    result = ag.evaluate(
        ENV,
        policy,
        tasks=asked.tasks,
        rollouts=asked.answers,
        sampling=SamplingParams(asked.max_tokens),
        limits=EpisodeLimits(6),
    )
    samples = defaultdict(list)
    for group in result.groups:
        for episode in group.episodes:
            if episode.reward is None:  # a fault says nothing of the answer
                continue
            at = first_turn([message.role for message in episode.messages])
            task = ag.Task(episode.task_id, episode.messages[at - 1].content)
            learned = rule(task, episode.messages[at:]).score
            samples[group.task_id].append((episode.reward, learned))
    return samples


def main() -> None:
    """Train, sample, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/overoptimisation"))
    parser.add_argument("--model", help="a model folder; default: the starter")
    for name, value in (("pairs", 3000), ("tasks", 100), ("answers", 16), ("max-tokens", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    model = asked.model or str(ensure_starter(progress=print))
    asked.out.mkdir(parents=True, exist_ok=True)
    pairs = asked.out / "pairs.jsonl"
    write_pairs(pairs, asked.pairs)
    out = asked.out / "reward"
    config = RewardModelConfig(pairs=pairs, model=model, out=out, epochs=2, lr=1e-3)
    run = train_reward_model(config, say=print)
    print(f"accuracy on pairs held out: {run.summary['accuracy']['mean']:.3f}")
    points = best_of_n(scored(TransformersPolicy(model), LearnedReward(run.path), asked))
    seen = watch(points)
    write_report(asked.out, points, seen)
    for point in points:
        gold, learned = (sum(of.values()) / len(of) for of in (point.gold, point.learned))
        print(f"{point.label}: KL {point.kl:.2f}, gold {gold:.3f}, learned {learned:.3f}")
    print(seen.text)


if __name__ == "__main__":
    main()
