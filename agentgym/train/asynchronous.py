"""Sampling that goes on while the learner steps.

The sampler lives in a thread with an event loop of its own. What is launched, what a step takes
and who is cut is decided by `agentgym.rollout.scheduler`, in that loop; the learner only asks for
groups and says when it has pushed. Weights are swapped between two steps of an engine of this
process, in flight where the engine has a process of its own, and each push is verified.

A run that is killed loses nothing: finished groups are in the ledger and are used where all of
their tokens were sampled by versions that the checkpoint knows and the bound allows; the others are
sampled again. It does not repeat to the last digit, for what a step takes depends on timing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from agentgym.policy.background import BackgroundLoop
from agentgym.rollout import scheduler
from agentgym.rollout.attempts import Attempts, group_seed
from agentgym.rollout.ledger import Ledger
from agentgym.rollout.scheduler import Launched, Plan, State
from agentgym.rollout.stream import Progress, Stream
from agentgym.train.config import TrainConfig
from agentgym.train.credit import sampled_by
from agentgym.train.schedule import Schedule
from agentgym.types import Group

__all__ = ["Ahead", "Beginning", "plan_of", "taken_up", "versions_of"]


def plan_of(config: TrainConfig) -> Plan:
    """Return what a run's scheduler is asked for.

    Twice the groups that can be in flight are launched, so that no place is empty while the last
    episode of a group goes on; the staleness bound allows fewer, where it is small.
    """
    in_flight = 2 * -(-config.concurrency // config.group_size)
    return Plan(config.tasks_per_step, config.staleness_bound, in_flight, config.steps)


def versions_of(group: Group) -> tuple[int, int] | None:
    """Return the oldest and the newest version that sampled a group's tokens; None without any."""
    found = {
        version
        for episode in group.episodes
        for sample in episode.samples
        for version in sampled_by(sample)
    }
    return (min(found), max(found)) if found else None


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where sampling goes on.

    Attributes:
        state: The scheduler's.
        groups: The finished groups in it, by the numbers of their launches.
        steps: In which step each of them was finished.
    """

    state: State
    groups: Mapping[int, Group]
    steps: Mapping[int, int]


def taken_up(
    config: TrainConfig, ledger: Ledger, version: int, launches: Mapping[str, Any]
) -> Beginning:
    """Take up sampling where a checkpoint stands, with what the ledger has beyond it.

    Args:
        config: Of the run.
        ledger: Of the run; what belongs to steps that the checkpoint does not know is dropped.
        version: Steps that the checkpoint has taken.
        launches: What `Ahead.position` returned when it was written; empty at the beginning.
    """
    launched, unused = launches.get("launched", 0), set(launches.get("unused", ()))
    oldest = version - config.staleness_bound

    def is_open(number: int) -> bool:
        return number >= launched or number in unused

    def is_wanted(number: int, group: Group) -> bool:
        if not is_open(number):
            return True
        found = versions_of(group)
        return found is None or (oldest <= found[0] and found[1] <= version)

    # A group may be finished just before the learner has said that it pushed.
    read = ledger.sift(oldest - 1, config.group_size, is_wanted)
    groups = {number: group for number, group in read.items() if is_open(number)}
    found = {n: each[0] if (each := versions_of(g)) else version for n, g in groups.items()}
    known = ledger.steps()
    steps = {number: known[number] for number in groups}
    return Beginning(scheduler.resume(version, launched, unused, found), groups, steps)


class Ahead:
    """Groups that are sampled ahead of the learner; a context manager.

    Args:
        config: Of the run.
        schedule: Which tasks there are; launch n is its n-th task.
        attempts: How episodes are played, by the policy that lives in ``loop``.
        loop: Where sampling runs.
        ledger: Gets every finished group.
        cuts: File that gets a line for each group that was given up.
        begin: Where to go on.
    """

    def __init__(
        self,
        config: TrainConfig,
        schedule: Schedule,
        attempts: Attempts,
        loop: BackgroundLoop,
        ledger: Ledger,
        cuts: Path,
        begin: Beginning,
    ) -> None:
        self._config = config
        self._plan = plan_of(config)
        self._schedule = schedule
        self._loop = loop
        self._ledger = ledger
        self._cuts = cuts
        self._state = begin.state
        self._ready = dict(begin.groups)
        self._finished_in = dict(begin.steps)
        self._places: list[dict[str, int]] = []
        self._error: BaseException | None = None
        self._taken_at = time.perf_counter()
        self._report: dict[str, Any] = {}
        self._stream, self._changed = loop.wait(self._begun(attempts))

    async def _begun(self, attempts: Attempts) -> tuple[Stream, asyncio.Event]:
        stream = Stream(attempts, self._config.concurrency, self._finished, self._failed)
        return stream, asyncio.Event()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.wait(self._stream.close())

    def take(self) -> list[Group]:
        """Return the groups of the next step, as soon as the scheduler closes it.

        Raises:
            AgentGymError: What ended the sampling: a caller's mistake, or a fault beyond mending.
        """
        return self._loop.wait(self._take())

    def advance(self) -> None:
        """Say that the step was taken and its weights were pushed."""
        self._loop.wait(self._advance())

    def position(self) -> dict[str, Any]:
        """Return what a checkpoint needs, to lose none and use none twice."""
        return self._loop.wait(self._position())

    def report(self) -> dict[str, Any]:
        """Return the metrics of the last step taken."""
        return dict(self._report)

    def places(self) -> list[dict[str, int]]:
        """Return where the groups of the last step taken stand in the ledger."""
        return list(self._places)

    # What follows runs in the loop alone, so nothing of it needs a lock.

    async def _take(self) -> list[Group]:
        start = time.perf_counter()
        self._launch()
        taken = await self._closed(start)
        now = time.perf_counter()
        lost = [self._cut(group) for group in taken.cut]
        if lost:
            with self._cuts.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in lost)
        groups = [self._ready.pop(group.number) for group in taken.used]
        self._places = [
            {"step": self._finished_in.pop(group.number), "launch": group.number}
            for group in taken.used
        ]
        self._report = {
            **_staleness(groups, self._state.version),
            "launches": [group.number for group in taken.used],
            "groups": len(groups),
            "cut": len(lost),
            "wait_s": now - start,
            "sample_tokens_per_s": _sampled_tokens(groups) / (now - self._taken_at),
        }
        self._taken_at = now
        self._launch()  # for the steps to come, while this one is taken
        return groups

    async def _closed(self, start: float) -> scheduler.Taken:
        """Wait until the step closes: enough groups are there, or the deadline passes."""
        wait = self._config.step_deadline_s
        while True:
            if self._error is not None:
                raise self._error
            left = None if wait is None else start + wait - time.perf_counter()
            overdue = left is not None and left <= 0
            self._state, taken = scheduler.close(self._plan, self._state, overdue)
            if taken is not None:
                return taken
            self._changed.clear()
            try:
                async with asyncio.timeout(None if overdue else left):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _launch(self) -> None:
        self._state, numbers = scheduler.launch(self._plan, self._state)
        for number in numbers:
            step, place = divmod(number, self._config.tasks_per_step)
            task = self._schedule.tasks(step)[place]
            seed = group_seed(group_seed(self._config.seed, f"step {step}"), task)
            self._stream.launch(number, task, seed, self._config.group_size)

    def _finished(self, number: int, group: Group) -> None:
        self._ledger.append(self._state.version, group, number)
        self._finished_in[number] = self._state.version
        self._ready[number] = group
        self._state = scheduler.finish(self._state, number)
        self._launch()
        self._changed.set()

    def _failed(self, error: BaseException) -> None:
        self._error = self._error or error
        self._changed.set()

    def _cut(self, group: Launched) -> dict[str, Any]:
        """End a group and say who it was and how far its episodes were."""
        task, progress = self._stream.cut(group.number)
        return {
            "step": self._state.version,
            "launch": group.number,
            "task_id": task,
            "version": group.version,
            "episodes": [_row(each) for each in progress],
        }

    async def _advance(self) -> None:
        self._state = scheduler.advance(self._state)
        self._launch()

    async def _position(self) -> dict[str, Any]:
        state = self._state
        unused = sorted([*(group.number for group in state.open), *state.again])
        return {"launched": state.launched, "unused": unused}


def _staleness(groups: list[Group], version: int) -> dict[str, float]:
    """Return mean and most steps between the oldest token of a group and its use."""
    behind = [version - found[0] for group in groups if (found := versions_of(group))]
    return {
        "staleness": fmean(behind) if behind else 0.0,
        "staleness_max": float(max(behind, default=0)),
    }


def _sampled_tokens(groups: list[Group]) -> int:
    return sum(sum(sample.mask) for sample in _samples(groups))


def _samples(groups: list[Group]) -> Iterator[Any]:
    for group in groups:
        for episode in group.episodes:
            yield from episode.samples


def _row(progress: Progress) -> dict[str, Any]:
    seconds = None if progress.began is None else round(time.monotonic() - progress.began, 3)
    return {
        "finished": progress.finished,
        "turns": progress.turns,
        "sampled_tokens": progress.tokens,
        "seconds": seconds,
    }
