"""The verb `compare`: two runs, task by task, with a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.flags import parse, take
from agentgym.terminal import print_json, text_console, visible

if TYPE_CHECKING:
    from agentgym.evaluate.comparison import Compared, Comparison
    from agentgym.evaluate.diversity import Diversity
    from agentgym.evaluate.statistics import Interval, Paired

__all__ = ["CompareConfig", "compare_runs"]

_SHOWN = 5  # tasks that only one run has


class CompareConfig(BaseModel):
    """Which runs to compare, and how strictly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_a: Annotated[str, Positional, arg(metavar="RUN_A")] = Field(
        description="Run folder. FOLDER@STEP is a training's evaluation after so many steps; its "
        "last one without."
    )
    run_b: Annotated[str, Positional, arg(metavar="RUN_B")] = Field(description="The other one.")
    alpha: float = Field(
        0.05, gt=0, lt=0.5, description="Chance of a false finding, over all environments."
    )
    power: float = Field(
        0.8, ge=0.5, lt=1, description="How probably the detectable difference is shown."
    )


def compare_runs(argv: list[str]) -> int:
    """Compare two runs; which of them is better does not matter to the exit status."""
    as_json = take(argv, "--json")
    about = "Compare two runs on the tasks that both have played: evaluations, or trainings."
    config = parse(CompareConfig, "compare", argv, about)
    from agentgym.evaluate.compare import compare

    found = compare(config.run_a, config.run_b, alpha=config.alpha, power=config.power)
    if as_json:
        print_json(found.summary())
    else:
        _show(found)
    return 0


def _show(found: Comparison) -> None:
    console = text_console()
    for name, run in (("A", found.a), ("B", found.b)):
        console.print(_plain(f"{name}: {run.name} ({run.policy})"), soft_wrap=True)
    for label, row in found.environments.items():
        console.print(_plain(f"\n{label}", "bold"))
        console.print(_table(found, row))
        console.print(_plain(row.verdict, "bold green" if row.better else "bold"), soft_wrap=True)
    if len(found.environments) > 1:
        console.print(_plain(f"\n{found.verdict}", "bold"), soft_wrap=True)
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            text = f"only {name} has: {', '.join(only)}"
            console.print(_plain(text, "yellow"), soft_wrap=True)
    for text in found.warnings:
        console.print(_plain(f"warning: {text}", "bold red"), soft_wrap=True)


def _table(found: Comparison, row: Compared) -> Table:
    table = Table(box=None, show_header=False)
    tested = row.tested
    if tested and row.scores:
        for name, score in zip("AB", row.scores, strict=True):
            table.add_row(name, _score(score))
        gap = tested.difference
        ps = f"sign flip {tested.p_sign_flip:.2g}, Holm {tested.p_holm:.2g}"
        if tested.detectable is None:
            table.add_row("B - A", f"{gap.mean:+.3f} on each shared task, so without an interval")
            table.add_row("p", ps)
        else:
            level = f"{100 * (1 - found.alpha):g}% interval, paired by task"
            table.add_row("B - A", f"{_score(gap, '+')}, {level}")
            table.add_row("p", f"t {gap.p:.2g}, {ps}")
            table.add_row("detectable", f"{tested.detectable:.3f} or more (power {found.power:g})")
        table.add_row("shared tasks", str(gap.tasks))
    for name, tasks in (("only A has", row.only_a), ("only B has", row.only_b)):
        if tasks:
            more = ", ..." if len(tasks) > _SHOWN else ""
            table.add_row(name, _plain(f"{len(tasks)}: {', '.join(tasks[:_SHOWN])}{more}"))
    if any(row.unscored):
        errors = f"{row.unscored[0]} unscored episodes in A, {row.unscored[1]} in B"
        table.add_row("errors", Text(errors, style="red"))
    for name, solutions in zip("AB", row.diversity, strict=True):
        if solutions and solutions.successes:
            table.add_row(f"solutions, {name}", _solutions(solutions))
    return table


def _score(found: Interval | Paired, sign: str = "") -> str:
    mean = f"{found.mean:{sign}.3f}"
    if found.low == -float("inf"):
        return f"{mean} (no interval)"
    return f"{mean} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def _solutions(found: Diversity) -> str:
    text = f"{found.distinct} distinct among {found.successes} successes of {found.tasks} tasks"
    if found.differ is None:
        return text
    return f"{text}; two of a task differ with a chance of {found.differ.mean:.3f}"


def _plain(text: str, style: str = "") -> Text:
    return Text(visible(text, "\n"), style=style)
