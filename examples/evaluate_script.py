"""Evaluate policies on the same held-out tasks, and compare the first two task by task.

Run it: python examples/evaluate_script.py oracle random
A policy is `oracle`, `random`, `null`, `starter`, a model folder or run folder,
`transformers:PATH`, `vllm:PATH`, or `openai:MODEL@URL` for an endpoint.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing

import agentgym as ag
from agentgym.evaluate.runner import Evaluation
from agentgym.evaluate.statistics import paired
from agentgym.policy.resolve import resolve

ENV = "agentgym/PythonMath-v0"


def evaluate(name: str, tasks: int, rollouts: int, max_tokens: int) -> Evaluation:
    """Play the first tasks of the test split with one policy."""
    with closing(resolve(name)) as policy:
        return ag.evaluate(
            ENV,
            policy,
            tasks=tasks,
            rollouts=rollouts,
            split="test",
            sampling=ag.SamplingParams(max_tokens=max_tokens),
        )


def show(result: Evaluation) -> None:
    """Print one line for people and the whole summary for programs."""
    if result.score is None:
        print(f"{result.policy}: nothing was scored: {dict(result.reasons)}")
        return
    mean, low, high = result.score.mean, result.score.low, result.score.high
    print(f"{result.policy}: {mean:.3f} (95% interval over tasks {low:.3f} to {high:.3f})")
    print(json.dumps(result.summary()))


def main() -> None:
    """Evaluate each policy that was named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policies", nargs="*", default=["oracle", "random"])
    parser.add_argument("-n", "--tasks", type=int, default=50)
    parser.add_argument("-r", "--rollouts", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=64)
    args = parser.parse_args()
    results = [evaluate(name, args.tasks, args.rollouts, args.max_tokens) for name in args.policies]
    for result in results:
        show(result)
    if len(results) > 1 and all(result.scored for result in results[:2]):
        gain = paired(results[0].scores(), results[1].scores())
        print(
            f"{results[1].policy} minus {results[0].policy}: {gain.mean:+.3f} "
            f"(95% interval {gain.low:+.3f} to {gain.high:+.3f}, p = {gain.p:.2g})"
        )


if __name__ == "__main__":
    main()
