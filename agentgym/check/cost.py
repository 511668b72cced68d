"""What episodes cost: time of resets and steps, memory that grows, and what is left after closing.

Memory, descriptors and processes are read from /proc, so these rows are for Linux.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agentgym.check.contract import LIMIT_S
from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import SEED, Solution, Subject
from agentgym.env import Env

__all__ = ["leftovers", "memory", "step_time"]

EPISODES = 20
LEAST_EPISODES = 4
BUDGET_S = 5.0  # then no further episode is begun
GROWTH_MB = 16.0  # an allocator's noise is below it
GROWTH_MB_EPISODE = 1.0
CYCLES = 3
PATIENCE_S = 5.0  # for processes that are still on their way out

_PROC = Path("/proc/self")


@dataclass(slots=True)
class _Times:
    reset_s: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)


def step_time(subject: Subject) -> Seen:
    """Time resets and steps of the oracle's episodes, after a first round."""
    solved = subject.solved()
    times = _Times()
    with closing(subject.make()) as env:
        for each in solved:
            _timed(env, each, _Times())
        for each in _episodes(solved):
            _timed(env, each, times)
    figures = {
        f"{what}_{name}_ms": 1000 * _quantile(seconds, share)
        for what, seconds in (("reset", times.reset_s), ("step", times.step_s))
        for name, share in (("median", 0.5), ("p95", 0.95))
    }
    text = ", ".join(
        f"{what} {figures[f'{what}_median_ms']:.2f} ms (p95 {figures[f'{what}_p95_ms']:.2f} ms)"
        for what in ("reset", "step")
    )
    text = f"{text} in {len(times.reset_s)} episodes of the oracle"
    if max(figures["reset_p95_ms"], figures["step_p95_ms"]) > 1000 * LIMIT_S:
        raise Failed(f"{text}; no p95 may be above {LIMIT_S:.0f} s")
    return Seen(text, figures)


def memory(subject: Subject) -> Seen:
    """See whether the process grows with the oracle's episodes, after a first round."""
    solved = subject.solved()
    _need_proc()
    with closing(subject.make()) as env:
        for each in solved:
            _timed(env, each, _Times())
        gc.collect()
        before = _resident_mb()
        count = sum(1 for each in _episodes(solved) if _timed(env, each, _Times()))
        limit = max(GROWTH_MB, GROWTH_MB_EPISODE * count)
        if _resident_mb() - before > limit:
            gc.collect()  # a slow thing to do: it is only done in doubt
        grown = _resident_mb() - before
    text = f"{grown:+.1f} MB in {count} episodes of the oracle"
    if grown > limit:
        raise Failed(f"{text}: an episode leaves {grown / count:.1f} MB behind")
    return Seen(text, {"grown_mb": grown, "episodes": count})


def leftovers(subject: Subject) -> Seen:
    """Make, play and close a few environments; see what there is more of after each.

    What a process keeps for all environments, such as a warm sandbox, is there after the first.
    """
    _need_proc()
    _cycle(subject)
    gc.collect()
    before = _held()
    for _ in range(CYCLES):
        _cycle(subject)
    if _left(before, _held()):
        gc.collect()
    deadline = time.monotonic() + PATIENCE_S
    while (left := _left(before, _held())) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        each = ", ".join(f"{count} more {name}" for name, count in left.items())
        raise Failed(f"after {CYCLES} closed environments there are {each}")
    return Seen(f"no descriptor, process or thread is left by {CYCLES} closed environments")


def _episodes(solved: tuple[Solution, ...]) -> Iterator[Solution]:
    """Yield episodes to play, until there were enough of them or the time is up."""
    deadline = time.monotonic() + BUDGET_S
    for number in range(EPISODES):
        if number >= LEAST_EPISODES and time.monotonic() > deadline:
            return
        yield solved[number % len(solved)]


def _timed(env: Env, each: Solution, times: _Times) -> bool:
    """Play an episode of the oracle and note how long its calls take."""
    started = time.perf_counter()
    env.reset(seed=SEED, options={"task_id": each.task.id})
    times.reset_s.append(time.perf_counter() - started)
    for action in each.actions:
        started = time.perf_counter()
        env.step(action)
        times.step_s.append(time.perf_counter() - started)
    return True


def _cycle(subject: Subject) -> None:
    with closing(subject.make()) as env:
        env.reset(seed=SEED)
        solutions = subject.begun()
        if solutions:
            _timed(env, solutions[0], _Times())
            env.reset(seed=SEED)  # and one episode that is not finished
        with suppress(Exception):  # is another row's
            env.step("")


def _left(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return what there is more of by at least one for each environment."""
    return {
        name: after[name] - count for name, count in before.items() if after[name] - count >= CYCLES
    }


def _held() -> dict[str, int]:
    return {
        "descriptors": len(os.listdir(_PROC / "fd")),
        "processes": _descendants(),
        "threads": threading.active_count(),
    }


def _descendants() -> int:
    """Return how many processes this one has started, directly or through others."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError, IndexError):  # it may end while it is looked at
            # The command in front of the second field may hold spaces and brackets.
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            parents[int(name)] = int(fields[1])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return len(found) - 1


def _resident_mb() -> float:
    pages = int((_PROC / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _quantile(values: list[float], share: float) -> float:
    """Return the value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _need_proc() -> None:
    if not (_PROC / "statm").exists():
        raise NotApplicable("this system has no /proc")
