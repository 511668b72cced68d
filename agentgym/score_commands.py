"""The verb `score`: saved episodes verified again with today's environments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.flags import parse, take
from agentgym.terminal import full_disk_told, output_kept, print_json, text_console, visible

__all__ = ["ScoreConfig", "score"]

_SHOWN = 20  # changed episodes, and tasks, that a terminal is shown


class ScoreConfig(BaseModel):
    """Which run to verify again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Annotated[Path, Positional, arg(metavar="RUN")] = Field(description="Run folder.")
    step: int | None = Field(
        None, ge=0, description="Of a training: only this step's episodes; default: all."
    )
    out: Path | None = Field(None, description="File for what was found, as JSON.")
    concurrency: int = Field(64, ge=1, description="Most episodes in flight.")


def score(argv: list[str]) -> int:
    """Verify saved episodes again; fail if anything changed."""
    as_json = take(argv, "--json")
    about = (
        "Play the actions of saved episodes in today's environments and show what changed: exit "
        "status 0 if nothing did, 1 if anything did. No model is needed, and the run stays as it "
        "is."
    )
    config = parse(ScoreConfig, "score", argv, about)
    from agentgym.evaluate.rescore import rescore
    from agentgym.evaluate.saved import open_run
    from agentgym.train.folder import write_json

    run = open_run(config.run)
    with output_kept(), _counted() as advance:
        found = rescore(run, step=config.step, concurrency=config.concurrency, on_episode=advance)
    summary = {"run": str(config.run), **found.summary()}
    if config.out is not None:
        with full_disk_told(config.out.parent):
            write_json(config.out, summary)
    if as_json:
        print_json(summary)
    else:
        _show(summary)
    return 1 if found.changed else 0


@contextlib.contextmanager
def _counted() -> Iterator[Callable[[], None]]:
    """Count episodes in a terminal, show nothing elsewhere; yield what counts one on."""
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    console = text_console(stderr=True)
    columns = (TextColumn("{task.completed} episodes verified"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("episodes", total=None)
        yield lambda: bar.advance(task)


def _show(summary: Mapping[str, Any]) -> None:
    console = text_console()
    table = Table(box=None, header_style="bold")
    for name in ("environment", "scored", "unscored", "changed", "old mean", "new mean"):
        table.add_column(name, overflow="fold")
    for label, block in summary["environments"].items():
        changed = ", ".join(f"{count} {kind}" for kind, count in block["changed"].items())
        table.add_row(
            Text(label),
            str(block["scored"]),
            str(block["unscored"]),
            Text(changed or "none", style="red" if changed else "green"),
            _interval(block["old"]),
            _interval(block["new"]),
        )
    console.print(table)
    for label, block in summary["environments"].items():
        gap = block["difference"]
        if gap and block["changed"]:
            line = f"{label}: new minus old {_interval(gap)}, paired by task"
            console.print(Text(line), soft_wrap=True)
        _show_tasks(console, f"{label}: tasks that changed", block["changed_tasks"])
        _show_tasks(console, f"{label}: tasks that are gone", block["gone_tasks"])
    _show_episodes(console, summary["episodes"])
    if not summary["tasks_known"]:
        line = "the run has no tasks.jsonl: whether a task changed cannot be told"
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _show_tasks(console: Console, what: str, tasks: Sequence[str]) -> None:
    if not tasks:
        return
    shown = ", ".join(tasks[:_SHOWN])
    more = f" and {len(tasks) - _SHOWN} more" if len(tasks) > _SHOWN else ""
    line = f"{what} ({len(tasks)}): {shown}{more}"
    console.print(Text(visible(line), style="yellow"), soft_wrap=True)


def _show_episodes(console: Console, episodes: Sequence[Mapping[str, Any]]) -> None:
    if not episodes:
        return
    table = Table("task", "episode", "changed", "old", "new", "why", box=None, header_style="bold")
    for row in episodes[:_SHOWN]:
        new = "unscored" if row["new"] is None else f"{row['new']:g}"
        why = row["new_reason"]
        if row["turn"] is not None:
            where = "the prompt" if row["turn"] == 0 else f"the answer to turn {row['turn']}"
            why = f"{where} is another; {why}"
        index = f"{row['index']}" if row["step"] == 0 else f"{row['index']} of step {row['step']}"
        cells = (row["task_id"], index, ", ".join(row["what"]), f"{row['old']:g}", new, why)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    console.print(table)
    if len(episodes) > _SHOWN:
        console.print(Text(f"... and {len(episodes) - _SHOWN} more; --json or --out tells all"))


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    if found["ci95"] is None:
        return f"{found['mean']:.3f}"
    low, high = found["ci95"]
    return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"
