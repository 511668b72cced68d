"""From run folders to the file."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgym.errors import UsageError
from agentgym.evaluate.report.catalogue import Entry, catalogue, columns
from agentgym.evaluate.report.choice import chosen
from agentgym.evaluate.report.comparisons import comparisons, results_of
from agentgym.evaluate.report.curves import charts
from agentgym.evaluate.report.document import document, pack
from agentgym.evaluate.report.findings import findings
from agentgym.evaluate.report.learned import Learned
from agentgym.evaluate.report.overview import run_overview
from agentgym.evaluate.report.pages import Chunk
from agentgym.evaluate.report.vocabulary import vocabulary
from agentgym.evaluate.saved import SavedRun, open_run

__all__ = ["Report", "write_report"]

_CHUNK = 400_000  # characters and tokens that are read at once when a page is opened
_MOST = 20_000_000  # characters and tokens of all pages: more makes a file that is slow to open


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written.

    Attributes:
        path: The file.
        size_bytes: Of it.
        episodes: Episodes that are listed, over all runs.
        pages: Those with a page of their own.
        finished: Whether all runs have reached their end.
        seconds: That it took.
    """

    path: Path
    size_bytes: int
    episodes: int
    pages: int
    finished: bool
    seconds: float


def write_report(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    episodes: int = 500,
    refresh_s: float | None = None,
) -> Report:
    """Write one file about one run or several.

    Args:
        runs: Run folders, finished or not.
        out: The file; it is written aside, then renamed.
        episodes: Most episodes that get a page of their own, over all runs.
        refresh_s: Seconds after which the page loads itself anew; None never does.

    Raises:
        UsageError: If no run is given, or one of them twice.
        RunError: If a folder is no run, or cannot be read.
    """
    start = time.perf_counter()
    opened = [open_run(run) for run in runs]
    if not opened or len({run.path.resolve() for run in opened}) < len(opened):
        raise UsageError("a report needs at least one run, each given once")
    share = len(opened)
    packs: dict[str, str] = {}
    views, results, listed, paged = [], [], 0, 0
    for number, run in enumerate(opened):
        entries = catalogue(run)
        view, pages = _packed(run, entries, number, (episodes // share, _MOST // share), packs)
        views.append(view)
        results.append(results_of(run, entries) if share > 1 else None)
        listed, paged = listed + len(entries), paged + pages
    _name_apart(views, opened)
    finished = all(view["finished"] for view in views)
    overview = {
        "runs": views,
        "charts": charts(opened),
        "comparisons": comparisons(results),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "refresh_s": refresh_s,
    }
    title = " | ".join(view["name"] for view in views)
    path = Path(out).expanduser()
    size = _replace(path, document(title, overview, packs))
    return Report(path, size, listed, paged, finished, time.perf_counter() - start)


def _packed(
    run: SavedRun,
    entries: Sequence[Entry],
    number: int,
    most: tuple[int, int],
    packs: dict[str, str],
) -> tuple[dict[str, Any], int]:
    """Add a run's packs; return its overview and how many of its episodes have a page.

    Args:
        run: The folder.
        entries: All of its episodes.
        number: Its place among the runs.
        most: Episodes with a page, and characters and tokens of these.
        packs: Name to what the page unpacks.
    """
    groups = chosen(entries, most[0])
    learned = Learned(run, entries, {entry.number for group in groups for entry in group})
    chunk_of: dict[int, int] = {}
    ids: set[int] = set()
    for place, (chunk, numbers) in enumerate(_chunks(run, groups, learned, most[1])):
        packs[f"{number}-{place}"] = pack(chunk.value())
        chunk_of |= dict.fromkeys(numbers, place)
        ids |= chunk.ids
    texts = vocabulary(run, ids)
    packs[f"{number}-texts"] = pack(texts)
    packs[f"{number}-list"] = pack(columns(entries, chunk_of, learned.advantages, learned.dropped))
    view = run_overview(run, entries)
    has = {
        "tasks": (run.path / "tasks.jsonl").exists(),
        "learned": bool(learned.rows),
        "texts": bool(texts) or not ids,
        "more": len(chunk_of) == sum(map(len, groups)),
    }
    view["findings"] = findings(view, run.metrics(), len(chunk_of), has)
    view["pages"] = len(chunk_of)
    return view, len(chunk_of)


def _chunks(
    run: SavedRun, groups: Sequence[Sequence[Entry]], learned: Learned, most: int
) -> Iterator[tuple[Chunk, list[int]]]:
    """Yield chunks of whole groups, until they hold as much as one file should."""
    tasks = run.tasks()
    chunk, numbers, total = Chunk(), list[int](), 0
    for group in groups:
        for entry in group:
            episode = run.episode_at(entry.place).episode
            rows = learned.of(entry.number, len(episode.samples))
            task = tasks.get((entry.env, entry.task_id))
            chunk.add(entry.number, entry.group, episode, task, rows)
            numbers.append(entry.number)
        if chunk.size >= _CHUNK or total + chunk.size >= most:
            yield chunk, numbers
            total += chunk.size
            chunk, numbers = Chunk(), []
        if total >= most:
            return
    if numbers:
        yield chunk, numbers


def _name_apart(views: Sequence[dict[str, Any]], runs: Sequence[SavedRun]) -> None:
    """Call runs by their paths where folders have the same name."""
    names = Counter(view["name"] for view in views)
    for view, run in zip(views, runs, strict=True):
        if names[view["name"]] > 1:
            view["name"] = str(run.path)


def _replace(path: Path, text: str) -> int:
    """Write aside, then rename: whoever has the page open never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_text(text, "utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path.stat().st_size
