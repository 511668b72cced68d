"""An evaluation as it is watched: a table that moves on a terminal, a line now and then elsewhere.

Ids and reasons may be anybody's text: they are shown without markup and without control characters.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agentgym.evaluate.progress import Progress, Standing
from agentgym.evaluate.statistics import Interval

__all__ = ["duration", "printable", "progress_line", "progress_table", "score_text", "shown"]

_REFRESH_S = 0.5
_LINE_S = 10.0  # between two lines, where there is no terminal
_SLOWEST = 3  # episodes that are named
_SLOW_S = 5.0  # in flight for so long
_LABEL = 24  # characters of a label in the table
_LONGEST = 100  # characters of an id or a reason


def printable(text: str, longest: int = _LONGEST) -> str:
    """Return a text as it may be printed: one line, what cannot be seen spelled out, cut short."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
    )


def duration(seconds: float) -> str:
    """Return a time as people say it: ``42s``, ``3m 05s``, ``2h 07m``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def score_text(score: Interval | None) -> str:
    """Return a score with its interval, in a few words."""
    if score is None:
        return "-"
    if math.isinf(score.high - score.low):
        return f"{score.mean:.3f}"
    return f"{score.mean:.3f} ({score.low:.3f} to {score.high:.3f})"


def progress_line(progress: Progress, cost: float | None = None) -> str:
    """Return where an evaluation stands, in one line."""
    rows = progress.standings()
    done, total = sum(row.done for row in rows), sum(row.total for row in rows)
    parts = [f"{done} of {total} episodes"]
    parts += [f"{_name(row, rows)}{score_text(row.score)}" for row in rows if row.done]
    if errors := sum(row.errors for row in rows):
        parts.append(f"{errors} UNSCORED")
    scored = [(row.turns, row.done - row.errors) for row in rows if row.turns is not None]
    if scored:
        turns = sum(mean * count for mean, count in scored) / sum(count for _, count in scored)
        parts.append(f"{turns:.1f} turns an episode")
    return ", ".join([*parts, *_speed(progress, cost)])


def _name(row: Standing, rows: list[Standing]) -> str:
    return "score " if len(rows) == 1 else f"{printable(row.label)} "


def _speed(progress: Progress, cost: float | None) -> list[str]:
    left_s = progress.left_s()
    parts = [f"{progress.tokens_per_s():,.0f} tokens/s"]
    if cost is not None:
        parts.append(f"${cost:.2f}")
    if left_s is not None:
        parts.append(f"about {duration(left_s)} left")
    return parts


def progress_table(progress: Progress, cost: float | None = None) -> Group:
    """Return where an evaluation stands, for a terminal."""
    table = Table(box=None, header_style="bold")
    table.add_column("environment", no_wrap=True, overflow="ellipsis")
    for name in ("episodes", "score (95%)", "errors", "limits", "turns"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in progress.standings():
        table.add_row(
            Text(_tail(printable(row.label))),
            f"{row.done}/{row.total}",
            score_text(row.score),
            Text(str(row.errors), style="bold red" if row.errors else ""),
            str(row.limits),
            "-" if row.turns is None else f"{row.turns:.1f}",
        )
    ran = f"{duration(progress.running_s)} so far"
    lines = [Text("  ".join([ran, *_speed(progress, cost)]), style="dim")]
    slow = [row for row in progress.slowest(_SLOWEST) if row[2] >= _SLOW_S]
    lines += [
        Text(f"slow: {printable(task)} of {printable(label)}, {duration(for_s)}", style="dim")
        for label, task, for_s in slow
    ]
    return Group(table, *lines)


def _tail(label: str) -> str:
    """Return a label short enough for a row; its end says what tells it from others."""
    return label if len(label) <= _LABEL else f"…{label[1 - _LABEL :]}"


@contextlib.asynccontextmanager
async def shown(
    progress: Progress, console: Console, cost: Callable[[], float | None]
) -> AsyncIterator[None]:
    """Show the progress while the block runs."""
    show = _live if console.is_terminal else _lines
    ticker = asyncio.create_task(show(progress, console, cost))
    try:
        yield
    finally:
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker


async def _live(progress: Progress, console: Console, cost: Callable[[], float | None]) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(progress_table(progress, cost()), refresh=True)
            await asyncio.sleep(_REFRESH_S)


async def _lines(progress: Progress, console: Console, cost: Callable[[], float | None]) -> None:
    while True:
        await asyncio.sleep(_LINE_S)
        console.print(Text(progress_line(progress, cost())), soft_wrap=True)
