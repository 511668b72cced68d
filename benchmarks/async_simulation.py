"""Asynchronous against synchronous training in the simulator, with what cutting stragglers costs.

No model: episodes of log-normal lengths, a sampler that decodes them together, a learner that takes
its time, in virtual time (agentgym/rollout/simulate.py). The first table is one row a strategy; the
figures after it are what must hold.

    python benchmarks/async_simulation.py [--steps 100] [--spread 1.0] [--json]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from statistics import quantiles

from report import Figure, arguments, report
from rich.console import Console
from rich.table import Table

from agentgym.rollout.scheduler import Plan
from agentgym.rollout.simulate import Outcome, Work, simulate

GROUPS, SLOTS = 16, 128
BOUNDS = (1, 2, 4, 8)


def outcomes(steps: int, work: Work, deadline_s: float) -> dict[str, Outcome]:
    """Return what came of every strategy on the same tasks."""
    ample = 2 * SLOTS // work.group_size
    late = replace(work, deadline_s=deadline_s)
    rows = {"synchronous": simulate(Plan(GROUPS, 0, GROUPS, steps), work)}
    for bound in BOUNDS:
        rows[f"carried, bound {bound}"] = simulate(Plan(GROUPS, bound, ample, steps), work)
    rows[f"carried, bound 2, {deadline_s:g} s"] = simulate(Plan(GROUPS, 2, ample, steps), late)
    for share in (1.25, 2.0):
        plan = Plan(GROUPS, 0, round(share * GROUPS), steps)
        rows[f"cut, {share:g} launched for 1"] = simulate(plan, work, "cut")
    return rows


def table(rows: dict[str, Outcome]) -> Table:
    """Return one row a strategy."""
    base = rows["synchronous"].tokens_per_s
    shown = Table(
        "strategy", "tokens/s", "times", "sampler", "learner", "staleness", "cut", "bias", "p50",
        "p90", "p99",
    )  # fmt: skip
    for name, row in rows.items():
        groups = sum(row.staleness.values())
        mean = sum(steps * count for steps, count in row.staleness.items()) / groups
        cuts = quantiles(row.used_lengths, n=100)
        shown.add_row(
            name,
            f"{row.tokens_per_s:.0f}",
            f"{row.tokens_per_s / base:.2f}",
            f"{row.sampler_use:.2f}",
            f"{row.learner_use:.2f}",
            f"{mean:.2f} (<= {max(row.staleness)})",
            f"{len(row.cut)} of {len(row.launched)}",
            f"{row.length_bias:+.1%}",
            *(f"{cuts[n - 1]:.0f}" for n in (50, 90, 99)),
        )
    return shown


def figures(rows: dict[str, Outcome]) -> dict[str, Figure]:
    """Return what must hold: no slower than synchronous, within the bound, not biased."""
    base = rows["synchronous"].tokens_per_s
    found: dict[str, Figure] = {}
    for bound in BOUNDS:
        row = rows[f"carried, bound {bound}"]
        rate, oldest = row.tokens_per_s, max(row.staleness)
        lost = len(row.launched) - sum(row.staleness.values())
        found[f"throughput, bound {bound}"] = Figure.at_least(rate, base, "tokens/s", base)
        found[f"staleness, bound {bound}"] = Figure.at_most(oldest, bound, "steps")
        found[f"groups lost, bound {bound}"] = Figure.at_most(lost, 0, "groups")
        bias = abs(row.length_bias)
        cut = abs(rows["cut, 2 launched for 1"].length_bias)
        found[f"length bias, bound {bound}"] = Figure.at_most(bias, 0.0, "share", cut)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--spread", type=float, default=1.0, help="of the logarithm of lengths")
    parser.add_argument("--deadline-s", type=float, default=20.0, help="of the row that has one")
    given = parser.parse_args(argv)
    rows = outcomes(given.steps, Work(slots=SLOTS, spread=given.spread), given.deadline_s)
    if not given.json:
        Console(file=sys.stdout, width=130).print(table(rows))
    return report(figures(rows), given.json)


if __name__ == "__main__":
    raise SystemExit(main())
