"""An environment of one's own, and a small model trained on it from nothing.

Run it: python examples/custom_env_training.py
It checks the environment, teaches the starter model what the environment demonstrates (correct
episodes mixed with a bad habit), and lets reinforcement learning weed the habit out: success on
held-out tasks rises from about 0.3 to above 0.9.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agentgym as ag
from agentgym.check import check
from agentgym.train.starter import StarterRecipe, ensure_starter

ITEMS = ("bolt", "nut", "nail", "screw", "hinge", "lock")


def make_task(rng: random.Random, split: str, index: int) -> ag.Task:
    """Fill a shelf and ask for one item; a split only ever sees shelves that hash into it."""
    while True:
        shelf = {item: rng.randint(1, 99) for item in ITEMS}
        item = rng.choice(ITEMS)
        if ag.split_of(f"{item} of {shelf}") == split:
            return ag.Task("", f"How many {item}?", str(shelf[item]), metadata={"shelf": shelf})


class Shelf(ag.ToolEnv):
    """Say how many of an item there are; only the tool knows."""

    tasks = ag.TaskSet.generate(make_task, {"train": 5000, "test": 500})

    @ag.tool
    def look(self, item: str) -> int:
        """Count an item on the shelf.

        Args:
            item: Its name, in the singular.
        """
        shelf = self.task.metadata["shelf"]
        if item not in shelf:
            raise ag.ToolError(f"no '{item}'; there are {', '.join(shelf)}")
        return int(shelf[item])

    def score(self, task: ag.Task, answer: str) -> ag.Verdict:
        """Compare the answer with the shelf."""
        return ag.Verdict.of(count=answer.strip() == task.answer)

    def oracle(self, task: ag.Task) -> Iterator[ag.Action]:
        """Look, then say what was seen."""
        yield ag.call("look", item=task.prompt.split()[-1].rstrip("?"))
        yield ag.answer(task.answer)

    def demonstrate(
        self, task: ag.Task, rng: random.Random, *, flawed: bool = False
    ) -> list[dict[str, Any]]:
        """Write out an episode; the bad habit is to guess instead of looking."""
        if not flawed:
            return super().demonstrate(task, rng)
        guess = {"role": "assistant", "content": str(rng.randint(1, 99))}
        return [{"role": "user", "content": task.prompt}, guess]


# The module's name, also when it is run as a script: an environment is named by a text.
ag.register("demo/Shelf-v0", "custom_env_training:Shelf", description="count what is on a shelf")


def main() -> None:
    """Check the environment, make a starter for it, train that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sampler", default="vllm", choices=("vllm", "transformers"))
    parser.add_argument("--sft-steps", type=int, default=300)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--tasks", type=int, default=16, help="tasks a step, and of evaluations")
    parser.add_argument("--out", type=Path, default=None, help="run folder")
    args = parser.parse_args()

    report = check("demo/Shelf-v0")
    if not report.ok:
        raise SystemExit("\n".join(f"{row.name}: {row.detail}" for row in report.rows))
    print(f"{report.env_id} is sound")

    recipe = StarterRecipe(
        env="demo/Shelf-v0", env_kwargs={}, demonstrations=2000, steps=args.sft_steps
    )
    run = ag.train(
        ag.TrainConfig(
            env="demo/Shelf-v0",
            model=str(ensure_starter(recipe, print)),
            sampler=args.sampler,
            steps=args.steps,
            lr=1e-3,
            warmup_steps=5,
            tasks_per_step=args.tasks,
            eval_tasks=args.tasks,
            out=args.out,
        ),
        say=print,
    )
    print(run.summary["before"]["mean"], "->", run.summary["after"]["mean"])


if __name__ == "__main__":
    main()
