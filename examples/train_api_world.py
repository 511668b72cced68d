"""An agent that acts by code in a world of apps, trained on tasks and tested on others.

Run it: python examples/train_api_world.py
Without a model this makes a small one from scratch (0.6 million parameters), teaches it episodes of
the training scenarios of level 1, of which most show a bad habit (finishing at once, reading half a
list, forgetting which rows were meant, the wrong status), and lets reinforcement learning weed the
habits out. Environment, actions and rewards are those of any other agent: whole Python cells that
log in, search and write. What is small is the choice of tasks, and that the model's chat template
leaves the instructions out, which at its size it could not follow.

With a model, on a GPU: python examples/train_api_world.py --model Qwen/Qwen2.5-7B-Instruct
Then it trains on 24 scenarios of all levels in the full world.

Either way it is judged on held-out variations: other people, names, amounts and texts, such that no
solution of them is the solution of a training task.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import agentgym as ag
from agentgym.train.starter import StarterRecipe, ensure_starter

ENV = "agentgym/ApiWorld-v0"


def easiest(count: int) -> list[str]:
    """Return the names of training scenarios, the easier levels first."""
    names: dict[str, None] = {}
    for level in (1, 2, 3):
        env = ag.make(ENV, level=level)
        ids = env.unwrapped.tasks.ids("train")
        names |= dict.fromkeys(task_id.rpartition("_")[0] for task_id in ids)
        env.close()
    return list(names)[:count]


def starter_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return how a model of our own is made for level 1, and trained on a CPU."""
    world = {"level": 1, "size": "small", "max_turns": 6, "max_observation_chars": 300}
    if args.scenarios is not None:
        world |= {"level": None, "scenarios": easiest(args.scenarios)}
    world["variations"] = args.variations
    recipe = StarterRecipe(
        env=ENV,
        env_kwargs=world,
        flawed=0.6,
        demonstrations=args.demonstrations,
        steps=args.sft_steps,
        batch=32,
        context=768,
        subwords=1536,
    )
    model = str(ensure_starter(recipe, print))
    return {"model": model, "env_kwargs": world, "max_tokens": 128, "lr": 5e-4, "warmup_steps": 5}


def model_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return how a given model is trained, in the full world and with room for its thoughts."""
    world = {"max_turns": 30, "max_observation_chars": 3_000, "variations": args.variations}
    world["scenarios"] = easiest(args.scenarios or 24)
    return {
        "model": args.model,
        "env_kwargs": world,
        "max_tokens": 1_500,
        "max_turns": 30,
        "context": 24_000,
        "episode_timeout_s": 1_800.0,
    }


def main() -> None:
    """Train, and say what was gained on held-out variations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None, help="a model folder or name; default: a starter")
    parser.add_argument("--algorithm", default="rloo")
    parser.add_argument("--sampler", default="vllm", choices=("vllm", "transformers"))
    parser.add_argument("--scenarios", type=int, default=None, help="how many, the easiest first")
    parser.add_argument("--variations", type=int, default=300, help="of each, for each split")
    parser.add_argument("--demonstrations", type=int, default=4_000, help="of the starter")
    parser.add_argument("--sft-steps", type=int, default=600, help="of the starter")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tasks", type=int, default=16, help="a step")
    parser.add_argument("--eval-tasks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="run folder")
    args = parser.parse_args()

    chosen = model_settings(args) if args.model else starter_settings(args)
    run = ag.train(
        ag.TrainConfig(
            env=ENV,
            algorithm=args.algorithm,
            sampler=args.sampler,
            steps=args.steps,
            tasks_per_step=args.tasks,
            eval_split="held_out",
            eval_tasks=args.eval_tasks,
            seed=args.seed,
            out=args.out,
            **chosen,
        ),
        say=print,
    )
    print(json.dumps(run.summary, indent=2))


if __name__ == "__main__":
    main()
