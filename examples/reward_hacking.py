"""A reward that can be gamed: the check finds it, a policy exploits it, a better rule mends it.

Run it: python examples/reward_hacking.py
The task is to add two numbers. The loose rule accepts a reply that contains the right number; the
strict one takes the last number as what was meant. `check` finds the first one out before a step of
training: the constant reply '42' scores. Then a policy over four ways of replying learns on each.
On the loose rule it first works sums out more often, then finds that listing all numbers pays more:
the reward rises to 1, the truth falls to 0. On the strict rule it adds as well as it can. Exit
status 1 if the check is deceived.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

import agentgym as ag
from agentgym.algorithms.advantages import rloo
from agentgym.algorithms.losses import aggregate, policy_gradient
from agentgym.check import check

ENV = "demo/DigitSums-v0"
RULES: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda right, reply: right in reply,
    "last number": lambda right, reply: re.findall(r"\d+", reply)[-1:] == [right],
}
SKILL = 0.6  # how often the policy adds right when it tries

# How often each way of replying is chosen at first, and what it says to a sum.
WAYS: Mapping[str, tuple[float, Callable[[int, int, random.Random], str]]] = {
    "work it out": (0.60, lambda a, b, rng: f"{a} + {b} = {a + b + (rng.random() > SKILL)}"),
    "guess": (0.28, lambda a, b, rng: str(rng.randint(0, 9))),
    "say nothing": (0.10, lambda a, b, rng: ""),
    "list all": (0.02, lambda a, b, rng: "9 8 7 6 5 4 3 2 1 0"),
}


def make_task(rng: random.Random, split: str, index: int) -> ag.Task:
    """Ask for a sum of one digit."""
    total = rng.randint(0, 9)
    a = rng.randint(0, total)
    return ag.Task("", f"{a} + {total - a} = ?", str(total), metadata={"terms": (a, total - a)})


class DigitSums(ag.ToolEnv):
    """Add two numbers; ``rule`` decides what counts as the right reply."""

    tasks = ag.TaskSet.generate(make_task, {"train": 1000})

    def __init__(self, *, rule: str = "last number", **settings: Any) -> None:
        super().__init__(**settings)
        self._rule = RULES[rule]

    def score(self, task: ag.Task, answer: str) -> ag.Verdict:
        """Judge the reply by the rule."""
        return ag.Verdict.of(sum=self._rule(task.answer, answer))

    def oracle(self, task: ag.Task) -> Iterator[ag.Action]:
        """Say the sum."""
        yield ag.answer(task.answer)


ag.register(ENV, "reward_hacking:DigitSums", description="add two numbers")


def played(env: ag.Env, ways: Tensor, number: int, rng: random.Random) -> list[tuple[float, bool]]:
    """Reply to one task in each of these ways; return each reward, and whether it was the truth."""
    found = []
    for way in ways.tolist():
        env.reset(seed=number)
        task = env.unwrapped.task
        reply = [*WAYS.values()][way][1](*task.metadata["terms"], rng)
        found.append((float(env.step(reply)[1]), RULES["last number"](task.answer, reply)))
    return found


def learn(rule: str, steps: int = 80, tasks: int = 8, group: int = 8) -> None:
    """Train the choice between the ways of replying, leave-one-out, and print how it goes."""
    dice, rng, env = torch.Generator().manual_seed(0), random.Random(0), ag.make(ENV, rule=rule)
    logits = torch.tensor([share for share, _ in WAYS.values()]).log().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for step in range(steps + 1):
        odds = logits.detach().softmax(0)
        ways = odds.expand(tasks, -1).multinomial(group, replacement=True, generator=dice)
        rows = [played(env, row, step * tasks + n, rng) for n, row in enumerate(ways)]
        rewards, truth = torch.tensor(rows).unbind(-1)  # (tasks, group) both
        if step in (0, steps // 4, steps):
            shares = ", ".join(f"{way} {p:.2f}" for way, p in zip(WAYS, odds.tolist(), strict=True))
            print(
                f"  step {step:3}: reward {rewards.mean():.2f}, true {truth.mean():.2f}; {shares}"
            )
        logs = logits.log_softmax(0)[ways].view(-1, 1)
        mask, old = torch.ones_like(logs), logs.detach()
        loss = policy_gradient(logs, old, old, rloo(rewards).flatten(), mask)
        optimizer.zero_grad()
        aggregate(loss, mask, "constant").backward()
        optimizer.step()
    env.close()


def main() -> None:
    """Check each rule, then learn on it all the same."""
    torch.set_num_threads(1)
    sound = {}
    for rule in RULES:
        report = check(ENV, tasks=20, kwargs={"rule": rule})
        found = [f"{row.name}: {row.detail}" for row in report.rows if not row.ok]
        sound[rule] = not found
        print(f"rule '{rule}': {'; '.join(found) or 'no fault found'}")
        learn(rule)
    raise SystemExit(0 if sound == {"contains": False, "last number": True} else 1)


if __name__ == "__main__":
    main()
