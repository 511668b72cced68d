"""What an evaluation costs around the model, beside Inspect AI, in one run.

Single-turn problems, and a policy that answers at once: ours by `agentgym.evaluate.run` with all of
its files written, Inspect AI with its own mock model, its log written too. Both answer the same to
the same problems and judge by the same rule. Each side runs in a process of its own, in turns; what
counts is the evaluation alone, without imports. The fastest round of each is compared: other work
on the machine only ever makes one slower.

    python benchmarks/evaluate.py [--episodes 3000] [--peer-episodes 300] [--rounds 3] [--json]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from report import Figure, arguments, report

import agentgym as ag
from agentgym.env import Env, Reply
from agentgym.types import Task, Verdict

LEAST = 1_000.0  # episodes a second
TIMES = 3.0  # as many as Inspect AI's
IN_FLIGHT = 32  # of either side
SAID = "Default output from mockllm/model"  # what Inspect's mock model says, right or wrong


def problem(number: int) -> tuple[str, str]:
    """Return a question and its answer; one in two is what is said."""
    return f"What is {number} + {number}?", SAID if number % 2 else str(2 * number)


class Sums(Env):
    """One question, one answer, compared as text."""

    tasks = ag.TaskSet.of(Task(f"test-{n}", *problem(n), "test") for n in range(20_000))

    def respond(self, action: str) -> Reply:
        return Reply(verdict=Verdict.of(right=action.strip() == self.task.answer))


def ours(episodes: int, folder: Path) -> float:
    """Evaluate with a run folder; return the score."""
    from agentgym.evaluate.config import EvalConfig
    from agentgym.evaluate.run import evaluate_run
    from agentgym.policy.scripted import ScriptedPolicy

    ag.register("bench/Sums-v0", "evaluate:Sums")
    config = EvalConfig(
        what=("bench/Sums-v0",),
        policy="scripted",
        tasks=episodes,
        out=folder / "run",
        concurrency=IN_FLIGHT,
    )
    return float(evaluate_run(config, ScriptedPolicy([SAID])).summary["mean"])


def inspect(episodes: int, folder: Path) -> float:
    """Evaluate with Inspect AI and its log; return the score."""
    import inspect_ai
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [
        Sample(id=f"test-{n}", input=problem(n)[0], target=problem(n)[1]) for n in range(episodes)
    ]
    task = inspect_ai.Task(
        dataset=MemoryDataset(samples), solver=generate(), scorer=match(location="exact")
    )

    def say(*_: object) -> ModelOutput:
        # With its usage: counting tokens would fetch a vocabulary, and take longer.
        said = ModelOutput.from_content(model="mockllm", content=SAID)
        return said.model_copy(update={"usage": ModelUsage(input_tokens=9, output_tokens=6)})

    (log,) = inspect_ai.eval(
        task,
        model=get_model("mockllm/model", custom_outputs=say),
        log_dir=str(folder),
        display="none",
        max_samples=IN_FLIGHT,
        max_connections=IN_FLIGHT,
    )
    assert log.status == "success", log.error
    assert log.results is not None
    return float(log.results.scores[0].metrics["accuracy"].value)


SIDES: Mapping[str, Callable[[int, Path], float]] = {"ours": ours, "inspect": inspect}


def timed(side: str, episodes: int) -> dict[str, float]:
    """Return seconds, seconds of CPU and the score of one evaluation, imports aside."""
    play = SIDES[side]
    with tempfile.TemporaryDirectory() as folder:
        play(8, Path(folder) / "warm")  # imports, and whatever is made once
        wall, busy = time.perf_counter(), time.process_time()
        score = play(episodes, Path(folder) / "timed")
        return {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - busy,
            "score": score,
        }


def round_of(side: str, episodes: int) -> dict[str, Any]:
    """Return what `timed` says, in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--episodes", str(episodes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["score"] == 0.5, f"{side} scored {found['score']}"
    return found


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=3_000)
    parser.add_argument("--peer-episodes", type=int, default=300, help="a tenth takes longer there")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help="play one round of one side")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(timed(options.side, options.episodes)))
        return 0
    counts = {"ours": options.episodes, "inspect": options.peer_episodes}
    rounds = [{side: round_of(side, counts[side]) for side in SIDES} for _ in range(options.rounds)]
    wall, cpu = (
        {side: counts[side] / min(row[side][key] for row in rounds) for side in SIDES}
        for key in ("wall_s", "cpu_s")
    )
    times = wall["ours"] / wall["inspect"]
    figures = {
        "episodes_per_s": Figure.at_least(wall["ours"], LEAST, "episodes/s", wall["inspect"]),
        "episodes_per_cpu_s": Figure(cpu["ours"], "episodes/s", None, cpu["inspect"]),
        "times_inspect": Figure.at_least(times, TIMES, "ratio", 1.0),
    }
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
