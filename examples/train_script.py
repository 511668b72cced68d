"""Train a tool-using agent from a script, and print what came of it.

Run it: python examples/train_script.py
The defaults are the main job of this repository: the starter policy on PythonMath, sampled by vLLM.
The same command on the same folder goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import agentgym as ag


def settings() -> ag.TrainConfig:
    """Read the few settings that this script offers; all others keep their defaults."""
    default = ag.TrainConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=default.model, help="'starter' or a model folder")
    parser.add_argument("--algorithm", default=default.algorithm)
    parser.add_argument("--sampler", default=default.sampler, choices=("vllm", "transformers"))
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--tasks-per-step", type=int, default=default.tasks_per_step)
    parser.add_argument("--eval-tasks", type=int, default=default.eval_tasks)
    parser.add_argument("--out", type=Path, default=None, help="run folder")
    return ag.TrainConfig(env="agentgym/PythonMath-v0", **vars(parser.parse_args()))


def main() -> None:
    """Train, then show the summary and where the trained model lies."""
    run = ag.train(settings(), say=print)
    print(json.dumps(run.summary, indent=2))
    if run.summary.get("gain", {}).get("ci95"):
        low, high = run.summary["gain"]["ci95"]
        gain = run.summary["gain"]["mean"]
        print(f"gain on held-out tasks: {gain:+.3f} (95% interval {low:+.3f} to {high:+.3f})")
    print(f"trained model: {run.model}")


if __name__ == "__main__":
    main()
