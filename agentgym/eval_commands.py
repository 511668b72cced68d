"""The verbs `eval` and `suites`: evaluate a policy, and say what there is to evaluate it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.table import Table
from rich.text import Text

from agentgym.evaluate.config import EvalConfig
from agentgym.flags import parse, take
from agentgym.terminal import full_disk_told, output_kept, print_json, saying, text_console

__all__ = ["evaluate", "suites"]

_LONG = 300  # characters of a reason


class SuitesConfig(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def evaluate(argv: list[str]) -> int:
    """Evaluate a policy; fail where too little of it was scored, or the money was spent first."""
    as_json = take(argv, "--json")
    about = (
        "Evaluate a policy on suites and environments. The same command again finishes what was "
        "interrupted. 'agentgym suites' lists the suites."
    )
    config = parse(EvalConfig, "eval", argv, about)
    from agentgym.evaluate.run import evaluate_run

    with output_kept(), full_disk_told(config.folder):
        run = evaluate_run(config, say=saying(), console=text_console(stderr=True))
    if as_json:
        print_json(run.summary)
    else:
        _show(run.summary)
        text_console().print(Text(f"run folder: {run.path}"), soft_wrap=True)
    return _told(config, run.summary, run.unscored, saying("bold red"))


def suites(argv: list[str]) -> int:
    """List the suites."""
    as_json = take(argv, "--json")
    parse(SuitesConfig, "suites", argv, "List the suites that 'agentgym eval' knows by name.")
    from agentgym.evaluate.suites import list_suites

    found = list_suites()
    if as_json:
        print_json([asdict(suite) for suite in found])
        return 0
    table = Table("suite", "environments", "description", box=None, header_style="bold")
    for suite in found:
        names = ", ".join(dict.fromkeys(entry.env for entry in suite.entries))
        table.add_row(Text(suite.name), Text(names), Text(suite.description))
    text_console().print(table)
    return 0


def _told(
    config: EvalConfig, summary: Mapping[str, Any], unscored: float, say: Callable[[str], None]
) -> int:
    """Say loudly what a mean does not show; return the exit status."""
    blocks = summary["environments"].values()
    errors = sum(block["errors"] for block in blocks)
    scored = sum(block["scored"] for block in blocks)
    failed = not scored or unscored > config.fail_on_error
    if errors:
        limit = f", more than --fail-on-error {config.fail_on_error:g}" if failed else ""
        say(
            f"UNSCORED: {errors} of {errors + scored} episodes ({unscored:.1%}{limit}), through no "
            "fault of the policy; they are in no mean. The same command plays them again."
        )
    if not summary["finished"]:
        say(
            f"STOPPED at ${summary['cost_usd']:.4f} of --max-cost {config.max_cost:g}, before all "
            "was played; with a higher one the same command goes on."
        )
    return 1 if failed or not summary["finished"] else 0


def _show(summary: Mapping[str, Any]) -> None:
    """Print the figures: in a column where there is one environment, else a line of each."""
    from agentgym.evaluate.display import printable

    blocks = summary["environments"]
    table = Table(box=None, show_header=False)
    table.add_row("policy", Text(printable(summary["policy"])))
    if len(blocks) == 1:
        for label, block in blocks.items():
            _add_block(table, label, block)
    if summary["cost_usd"] is not None:
        table.add_row("cost", f"${summary['cost_usd']:.4f}")
    text_console().print(table)
    if len(blocks) > 1:
        text_console().print(_lines(blocks))
        for label, block in blocks.items():
            for reason, count in block["reasons"].items():
                line = f"{count} x {printable(reason, _LONG)} ({printable(label)})"
                text_console().print(Text(line, style="red"), soft_wrap=True)


def _lines(blocks: Mapping[str, Mapping[str, Any]]) -> Table:
    from agentgym.evaluate.display import printable

    table = Table(box=None, header_style="bold")
    table.add_column("environment", overflow="fold")
    for name in ("score (95%)", "tasks", "errors", "limits", "turns", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, block in blocks.items():
        errors, turns = block["errors"], block["turns"]
        table.add_row(
            Text(printable(label)),
            _in_short(block["score"]),
            f"{block['tasks']} x {block['rollouts']}",
            Text(str(errors), style="bold red" if errors else ""),
            str(sum(block["limits"].values())),
            "-" if turns is None else f"{turns:.1f}",
            f"{block['wall_s']:.1f}",
        )
    return table


def _in_short(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "none"
    low, high = score["ci95"]
    return f"{score['mean']:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def _add_block(table: Table, label: str, block: Mapping[str, Any]) -> None:
    from agentgym.evaluate.display import printable

    table.add_row("environment", Text(f"{printable(label)} ({printable(block['split'])})"))
    table.add_row("score", _with_interval(block["score"]))
    for name, title in (("pass_at_k", "pass@"), ("pass_hat_k", "pass^")):
        for k, value in block[name].items():
            if k != "1" or name == "pass_at_k":  # pass^1 is pass@1
                table.add_row(f"{title}{k}", f"{value:.3f}")
    table.add_row("tasks x rollouts", f"{block['tasks']} x {block['rollouts']}")
    table.add_row("errors", Text(f"{block['errors']} unscored", "red" if block["errors"] else ""))
    for reason, count in block["reasons"].items():
        table.add_row("", Text(f"{count} x {printable(reason, _LONG)}", style="red"))
    for limit, count in block["limits"].items():
        table.add_row("", Text(f"{count} ended by the {limit} limit"))
    turns, tokens = block["turns"], block["tokens"]
    table.add_row("turns", "-" if turns is None else f"{turns:.2f} an episode")
    table.add_row("tokens", f"{tokens['sampled']} sampled, {tokens['prompt']} read")
    table.add_row("seconds", f"{block['wall_s']:.1f}")


def _with_interval(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "none: nothing was scored"
    low, high = score["ci95"]
    if low is None or high is None:
        return f"{score['mean']:.3f} (one task: no interval)"
    return f"{score['mean']:.3f} (95% interval over tasks {low:.3f} to {high:.3f})"
