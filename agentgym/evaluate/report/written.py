"""From run folders to the file: once, or again whenever they grow."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgym.errors import RunError, UsageError
from agentgym.evaluate.report.catalogue import Entry, catalogue, columns
from agentgym.evaluate.report.choice import chosen
from agentgym.evaluate.report.comparisons import comparisons, results_of
from agentgym.evaluate.report.curves import charts
from agentgym.evaluate.report.document import document, pack
from agentgym.evaluate.report.findings import findings
from agentgym.evaluate.report.gradient import Learned, mean_advantage
from agentgym.evaluate.report.overview import run_overview
from agentgym.evaluate.report.pages import Chunk
from agentgym.evaluate.report.vocabulary import vocabulary
from agentgym.evaluate.saved import SavedRun, open_run

__all__ = ["Report", "watch", "write_report"]

_CHUNK = 400_000  # characters and tokens that are read at once when a page is opened
_MOST = 20_000_000  # characters and tokens of all pages: more makes a file that is slow to open
_FILES = ("episodes.jsonl", "learned.jsonl", "metrics.jsonl", "evaluations.jsonl", "summary.json")
_BUSY_SHARE = 5  # while it watches, at least four fifths of its time are left to the run


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
    packs: dict[str, str] = {}
    views, results, listed, paged = [], [], 0, 0
    for number, run in enumerate(opened):
        entries = catalogue(run)
        view, pages = _packed(run, entries, number, episodes // len(opened), packs)
        views.append(view)
        results.append(results_of(run, entries) if len(opened) > 1 else None)
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
    run: SavedRun, entries: Sequence[Entry], number: int, most: int, packs: dict[str, str]
) -> tuple[dict[str, Any], int]:
    """Add a run's packs; return its overview and how many of its episodes have a page."""
    groups = chosen(entries, most)
    learned = _Learned(run, entries, {entry.number for group in groups for entry in group})
    chunk_of: dict[int, int] = {}
    ids: set[int] = set()
    for place, (chunk, numbers) in enumerate(_chunks(run, groups, learned)):
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


class _Learned:
    """What the gradient saw: in full of the episodes that get a page, in short of all.

    Attributes:
        rows: By number of an episode and of its sample.
        advantages: Mean advantage, by number of an episode.
        dropped: Why nothing was learned from it, by number of an episode.
    """

    def __init__(self, run: SavedRun, entries: Sequence[Entry], paged: set[int]) -> None:
        numbers: dict[tuple[int, str, int], list[int]] = defaultdict(list)
        for entry in entries:
            numbers[entry.step, entry.task_id, entry.index].append(entry.number)
        times: Counter[tuple[int, str, int, int]] = Counter()
        self.rows: dict[tuple[int, int], Learned] = {}
        self.advantages: dict[int, float | None] = {}
        self.dropped: dict[int, str] = {}
        for row in run.learned():
            key = row["step"], row["task_id"], row["index"]
            time_of = times[*key, row["sample"]]  # a task may come twice in a step, in order
            times[*key, row["sample"]] += 1
            if time_of >= len(numbers.get(key, ())):
                continue
            number = numbers[key][time_of]
            self.advantages.setdefault(number, mean_advantage(row))
            if row["dropped"]:
                self.dropped.setdefault(number, str(row["dropped"]))
            if number in paged:
                self.rows[number, row["sample"]] = row

    def of(self, number: int, samples: int) -> list[Learned | None]:
        """Return an episode's rows, one a sample."""
        return [self.rows.get((number, sample)) for sample in range(samples)]


def _chunks(
    run: SavedRun, groups: Sequence[Sequence[Entry]], learned: _Learned
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
        if chunk.size >= _CHUNK or total + chunk.size >= _MOST:
            yield chunk, numbers
            total += chunk.size
            chunk, numbers = Chunk(), []
        if total >= _MOST:
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


def watch(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    episodes: int = 500,
    every_s: float = 10.0,
    told: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Write the report whenever a run has grown, until all have reached their end.

    While it goes on the page loads itself anew; the last version does not.

    Args:
        runs: Run folders.
        out: The file.
        episodes: As of `write_report`.
        every_s: Seconds between looks; more where writing takes long.
        told: Called with each version.

    Returns:
        The last version.

    Raises:
        RunError: As `write_report`.
    """
    seen: Mapping[Path, tuple[int, int]] | None = None
    while True:
        state = _state(runs)
        took = 0.0
        if state != seen and (report := _tried(runs, out, episodes, every_s, state)):
            told(report)
            if report.finished:
                return report
            seen, took = state, report.seconds
        time.sleep(max(every_s, took * (_BUSY_SHARE - 1)))


def _tried(
    runs: Sequence[str | Path],
    out: str | Path,
    episodes: int,
    every_s: float,
    state: Mapping[Path, tuple[int, int]],
) -> Report | None:
    """Write the report; None where a run changed under it, as when one is taken up again."""
    try:
        report = write_report(runs, out, episodes=episodes, refresh_s=every_s)
        return write_report(runs, out, episodes=episodes) if report.finished else report
    except RunError:
        if _state(runs) == state:
            raise
        return None


def _state(runs: Sequence[str | Path]) -> dict[Path, tuple[int, int]]:
    """Return size and time of every file that a report reads."""
    files = [Path(run).expanduser() / name for run in runs for name in _FILES]
    stats = {file: file.stat() for file in files if file.exists()}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()}
