"""Samplers, one after the other: start, push, sampling, and an engine killed by kill -9.

A model of the starter's shape. Each push is verified; its time is that of the weights alone, from
the learner's tensors to an engine that samples with them, without the probe.

    python benchmarks/samplers.py [--pushes 20] [--ways vllm vllm-process transformers] [--json]
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import Figure, arguments, report
from rollout import model_folder

from agentgym.blocking import wait_for
from agentgym.policy.pretrained import load_model
from agentgym.policy.samplers import SAMPLERS, sampler
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.weights import push
from agentgym.types import Completion, SamplingParams

IN_FLIGHT = 64
LONGEST_PUSH_MS = 5.0  # in this process


def learner_of(folder: Path) -> Learner:
    import torch

    return Learner(load_model(folder, torch.float32), TrainConfig(), torch.device("cpu"))


def push_ms(policy: Any, learner: Learner, pushes: int) -> tuple[float, float]:
    """Return the median milliseconds of a push, and the largest gap of a verified one, in nats."""
    gap, times = 0.0, []
    for version in range(1, pushes + 1):
        start = time.perf_counter()
        wait_for(policy.load_weights(learner.named_tensors(), version))
        times.append(1000 * (time.perf_counter() - start))
        gap = max(gap, push(learner, policy, version))
    return statistics.median(times), gap


def sampled(policy: Any, tokens: int) -> tuple[int, float]:
    """Return how many tokens were sampled, and in how many seconds."""

    async def all_of_them() -> list[Completion]:
        turns = (
            policy.sample([60 + n % 40 for n in range(40 + i % 7)], SamplingParams(tokens))
            for i in range(IN_FLIGHT)
        )
        return await asyncio.gather(*turns)

    start = time.perf_counter()
    completions = asyncio.run(all_of_them())
    return sum(len(made.ids) for made in completions), time.perf_counter() - start


def rate(policy: Any, repeats: int = 3) -> float:
    """Return sampled tokens a second, the median of a few times after one that warms up."""
    sampled(policy, 128)
    rates = [tokens / seconds for tokens, seconds in (sampled(policy, 128) for _ in range(repeats))]
    return statistics.median(rates)


def killed_s(policy: Any) -> float:
    """Return the seconds from kill -9 until every turn that was in flight has its answer."""
    os.kill(policy.pid, signal.SIGKILL)
    return sampled(policy, 16)[1]


def main() -> int:
    ways = list(SAMPLERS)
    parser = arguments(__doc__)
    parser.add_argument("--pushes", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=ways, default=ways)
    options = parser.parse_args()
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = model_folder(Path(place))
        learner = learner_of(folder)
        for way in options.ways:
            start = time.perf_counter()
            policy = sampler(way, folder, concurrency=128)
            name = way.replace("-", "_")
            figures[f"{name}_start"] = Figure(time.perf_counter() - start, "s")
            milliseconds, gap = push_ms(policy, learner, options.pushes)
            limited = Figure.at_most(milliseconds, LONGEST_PUSH_MS, "ms")
            figures[f"{name}_push"] = limited if way == "vllm" else Figure(milliseconds, "ms")
            figures[f"{name}_push_gap"] = Figure.at_most(gap, 1e-4, "nats")
            figures[f"{name}_sampling"] = Figure(rate(policy), "tokens/s")
            if way.startswith("vllm-"):  # in a process of its own
                figures[f"{name}_back_after_kill"] = Figure(killed_s(policy), "s")
            policy.close()
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
