"""An environment of one's own: the agent fills a cart as the customer asks.

Run it: python examples/register_env.py
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import agentgym as ag
from agentgym.check import check

PRICES = {"apple": 30, "bread": 250, "cheese": 480, "milk": 120, "tea": 310}  # cents


def make_task(rng: random.Random, split: str, index: int) -> ag.Task:
    """Make an order; a split only ever sees the orders that hash into it."""
    while True:
        items = sorted(rng.sample(sorted(PRICES), rng.randint(1, 3)))
        order = {item: rng.randint(1, 9) for item in items}
        text = ", ".join(f"{count} x {item}" for item, count in order.items())
        if ag.split_of(text) == split:
            return ag.Task("", f"Please buy {text}.", order)


class Shop(ag.ToolEnv):
    """Fill the cart as the customer asks; 1.0 if it holds just that."""

    instructions = "You run errands in a shop. Say when you are done."
    tasks = ag.TaskSet.generate(make_task, {"train": 1000, "dev": 100, "test": 100})

    def begin(self, task: ag.Task) -> str:
        """Start with an empty cart."""
        self.cart: dict[str, int] = {}
        return task.prompt

    @ag.tool
    def add(self, item: str, count: int = 1) -> str:
        """Put items into the cart.

        Args:
            item: Name as the catalogue spells it.
            count: How many.
        """
        if item not in PRICES:
            raise ag.ToolError(f"no '{item}' in the catalogue; there are {', '.join(PRICES)}")
        if count < 1:
            raise ag.ToolError(f"count must be at least 1, not {count}")
        self.cart[item] = self.cart.get(item, 0) + count
        return f"{count} x {item} added"

    @ag.tool
    def total(self) -> int:
        """Return what the cart costs, in cents."""
        return sum(PRICES[item] * count for item, count in self.cart.items())

    def score(self, task: ag.Task, answer: str) -> ag.Verdict:
        """Compare the cart with the order; what the agent says does not matter."""
        return ag.Verdict.of(cart=self.cart == task.answer)

    def oracle(self, task: ag.Task) -> Iterator[ag.Action]:
        """Put in what the order names."""
        for item, count in task.answer.items():
            yield ag.call("add", item=item, count=count)
        yield ag.answer("done")


# The module's name, also when it is run as a script: an environment is named by a text.
ag.register("demo/Shop-v0", "register_env:Shop", description="fill a cart as the customer asks")


def main() -> None:
    """Play one episode with the oracle, then check the environment."""
    env = ag.make("demo/Shop-v0", split="test", render_mode="ansi")
    env.reset(seed=0)
    for action in env.oracle():
        _, reward, *_ = env.step(action)
    print(env.render())
    print(f"\nreward {reward}\n")
    env.close()

    report = check("demo/Shop-v0")
    for row in report.rows:
        print(f"{row.status:14} {row.name:10} {row.detail}")
    raise SystemExit(0 if report.ok else 1)


if __name__ == "__main__":
    main()
