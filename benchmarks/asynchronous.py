"""Real asynchronous runs beside a synchronous one: episodes wait for a slow environment.

A small random model, sampled by transformers, in an environment whose calls take a time that is
log-normal, as those of web services and sandboxes do. What is measured is seconds a step, and what
is checked is that each group was learned from once, within the staleness bound, and is not short.

    python benchmarks/asynchronous.py [--steps 20] [--rounds 3] [--json]
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Sequence
from math import inf, log
from pathlib import Path
from statistics import fmean
from typing import Any

from report import Figure, arguments, report
from rollout import model_folder

import agentgym as ag
from agentgym.env import Env, Reply
from agentgym.tasks import TaskSet
from agentgym.types import Message, Task, Verdict

BOUNDS = (0, 1, 2, 4)
GROUPS = 8
MEDIAN_S, SPREAD, LONGEST_S = 0.03, 1.2, 3.0


class Waiting(Env):
    """Two turns; the first takes its time, and how much depends on the task and the action."""

    tasks = TaskSet.generate(
        lambda rng, split, index: Task("", f"problem {index}", index), {"train": 10_000}
    )

    def respond(self, action: str) -> Reply:
        if self.turns > 1:
            return Reply(verdict=Verdict.of(even=len(action) % 2 == 0))
        drawn = random.Random(f"{self.task.id}/{action}").lognormvariate(log(MEDIAN_S), SPREAD)
        time.sleep(min(LONGEST_S, drawn))
        return Reply((Message("tool", f"waited {round(drawn * 1000)} ms"),))


ag.register("benchmark/Waiting-v0", f"{__name__}:Waiting")


def run(model: Path, out: Path, steps: int, **more: Any) -> tuple[float, list[dict[str, Any]]]:
    """Return seconds a step, from the first one's end to the last one's, and the metrics."""
    ended: list[float] = []

    def say(line: str) -> None:
        if line.startswith("step "):
            ended.append(time.perf_counter())

    config = ag.TrainConfig(
        env="benchmark/Waiting-v0", model=str(model), sampler="transformers", out=out, steps=steps,
        tasks_per_step=GROUPS, group_size=4, concurrency=64, max_tokens=8, max_turns=2, lr=1e-4,
        save_every=1000, eval_tasks=0, **more,
    )  # fmt: skip
    ag.train(config, say=say)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    return (ended[-1] - ended[0]) / (steps - 1), rows


def waits(out: Path) -> float:
    """Return the mean seconds that a learned-from episode waited for its environment."""
    episodes = [json.loads(line) for line in (out / "episodes.jsonl").open()]
    return fmean(sum(turn["env_s"] for turn in row["turns"]) for row in episodes)


def measured(steps: int, rounds: int) -> dict[str, Figure]:
    """Return the figures of a synchronous run and of one for each bound; of rounds the fastest."""
    fastest: dict[int | None, float] = dict.fromkeys((None, *BOUNDS), inf)
    wait: dict[int | None, float] = {}
    found: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as name:
        model = model_folder(Path(name) / "model")
        for number in range(rounds):
            for bound in (None, *BOUNDS):
                out = Path(name) / f"{bound}-{number}"
                seconds, rows = run(model, out, steps, **_mode(bound))
                fastest[bound] = min(fastest[bound], seconds)
                wait[bound] = waits(out)
                if bound is not None:
                    found |= _accounts(rows, bound, steps)
    sync = fastest.pop(None)
    found["synchronous"] = Figure(sync, "s a step")
    for bound, seconds in fastest.items():
        limit = sync if bound else None  # with bound 0 it is synchronous too
        ok = limit is None or seconds <= limit
        found[f"bound {bound}"] = Figure(seconds, "s a step", limit, sync, ok)
        found[f"bound {bound}, wait of an episode"] = Figure(wait[bound], "s", None, wait[None])
    return found


def _mode(bound: int | None) -> dict[str, Any]:
    if bound is None:
        return {"deterministic": False}
    return {"mode": "async", "max_staleness": bound}


def _accounts(rows: list[dict[str, Any]], bound: int, steps: int) -> dict[str, Figure]:
    used = [number for row in rows for number in row["launches"]]
    lost = len(set(range(GROUPS * steps)) ^ set(used)) + len(used) - len(set(used))
    oldest = max(row["staleness_max"] for row in rows)
    return {
        f"bound {bound}, staleness": Figure.at_most(oldest, bound, "steps"),
        f"bound {bound}, lost or used twice": Figure.at_most(lost, 0, "groups"),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(argv)
    return report(measured(given.steps, given.rounds), given.json)


if __name__ == "__main__":
    raise SystemExit(main())
