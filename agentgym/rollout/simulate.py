"""Asynchronous training without a model: the scheduler's own decisions, in virtual time.

Episodes have lengths instead of texts. All that are in flight advance together, as in an engine
that decodes them in one batch; the learner takes its time over a step, and a swap of the weights
stops the engine. Says what a choice of `Plan` gives in throughput, in staleness, and in what is
learned from: strategies that drop stragglers learn from shorter episodes than they sample.

Left out: what environments take beside the sampling (put it into the lengths), prefill, and a
sampler and a learner that share one device.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import exp, inf, log
from statistics import fmean

from agentgym.rollout import scheduler
from agentgym.rollout.scheduler import Launched, Plan, State, Taken

__all__ = ["STRATEGIES", "Outcome", "Work", "simulate"]

_Launch = Callable[[Plan, State], tuple[State, tuple[int, ...]]]
_Close = Callable[[Plan, State, bool], tuple[State, Taken | None]]


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do, and how fast sampler and learner are.

    Attributes:
        group_size: Episodes a group.
        tokens: Median length of an episode.
        spread: Standard deviation of the logarithm of an episode's length: half of it is the
            task's (log-normal; 1.0 makes the longest of 128 twelve times the median).
        longest: Most tokens of an episode.
        slots: Most episodes in flight.
        decode_s: One token of every episode in flight, with no episode in flight.
        decode_each_s: What each episode in flight adds to that.
        learn_s: One token in the learner.
        step_s: One step in the learner beside its tokens.
        swap_s: What new weights stop the engine for.
        deadline_s: Most seconds that the learner waits for a step; none is for ever.
        seed: Of the lengths.
    """

    group_size: int = 8
    tokens: float = 400.0
    spread: float = 1.0
    longest: int = 8000
    slots: int = 128
    decode_s: float = 0.02
    decode_each_s: float = 0.0001
    learn_s: float = 0.0004
    step_s: float = 1.0
    swap_s: float = 0.1
    deadline_s: float | None = None
    seed: int = 0

    def lengths(self, number: int) -> list[int]:
        """Return the lengths of a group's episodes: the same in every strategy."""
        rng = random.Random(f"{self.seed}/{number}")
        each = self.spread * 0.5**0.5
        task = rng.gauss(log(self.tokens), each)
        drawn = (exp(task + rng.gauss(0.0, each)) for _ in range(self.group_size))
        return [min(self.longest, max(1, round(length))) for length in drawn]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulated run.

    Attributes:
        seconds: Virtual time of the whole run.
        used: Numbers of the groups of each step, in order.
        cut: Groups that were given up: the step, the number, the most tokens one episode had.
        launched: Numbers of all groups that were begun.
        staleness: Steps between launch and use, to the groups that had it.
        used_lengths: Of all episodes that were learned from.
        launched_lengths: Of all episodes that were begun, to the end that they would have had.
        sampler_use: Mean share of the slots that were sampling.
        learner_use: Share of the time in which the learner was busy.
    """

    seconds: float
    used: tuple[tuple[int, ...], ...]
    cut: tuple[tuple[int, int, int], ...]
    launched: tuple[int, ...]
    staleness: dict[int, int]
    used_lengths: tuple[int, ...]
    launched_lengths: tuple[int, ...]
    sampler_use: float
    learner_use: float

    @property
    def tokens_per_s(self) -> float:
        """Return the sampled tokens that were learned from, by second."""
        return sum(self.used_lengths) / self.seconds

    @property
    def length_bias(self) -> float:
        """Return by which share the mean length learned from is off the mean that was begun."""
        return fmean(self.used_lengths) / fmean(self.launched_lengths) - 1.0


@dataclass(slots=True)
class _Engine:
    """Episodes decoded together: each ends when the common token count reaches its end."""

    work: Work
    count: float = 0.0  # tokens that every episode in flight was given since the beginning
    busy: float = 0.0  # slot-seconds
    paused_until: float = 0.0
    flying: list[tuple[float, int, int]] = field(default_factory=list)  # end, group, length
    waiting: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, group: int, lengths: list[int]) -> None:
        self.waiting.extend((group, length) for length in lengths)
        self._fill()

    def _fill(self) -> None:
        while self.waiting and len(self.flying) < self.work.slots:
            group, length = self.waiting.popleft()
            heappush(self.flying, (self.count + length, group, length))

    @property
    def token_s(self) -> float:
        return self.work.decode_s + self.work.decode_each_s * len(self.flying)

    def next_end(self, now: float) -> float:
        """Return when the next episode ends if nothing else happens."""
        if not self.flying:
            return inf
        return max(now, self.paused_until) + (self.flying[0][0] - self.count) * self.token_s

    def pass_time(self, now: float, then: float) -> None:
        running = max(0.0, then - max(now, self.paused_until))
        self.busy += len(self.flying) * running
        self.count += running / self.token_s

    def pop(self) -> int:
        """End the episode that is next, and return its group."""
        end, group, _ = heappop(self.flying)
        self.count = end
        self._fill()
        return group

    def abort(self, groups: set[int]) -> dict[int, int]:
        """Drop what is left of groups; return the most tokens that one episode of each had."""
        had: dict[int, int] = dict.fromkeys(groups, 0)
        for end, group, length in self.flying:
            if group in groups:
                had[group] = max(had[group], round(length - (end - self.count)))
        self.flying = sorted(row for row in self.flying if row[1] not in groups)
        self.waiting = deque(row for row in self.waiting if row[0] not in groups)
        self._fill()
        return had


@dataclass(slots=True)
class _Simulation:
    """One run under way."""

    plan: Plan
    work: Work
    launch: _Launch
    close: _Close
    engine: _Engine
    state: State = field(default_factory=State)
    now: float = 0.0
    learning_until: float = inf
    waiting_since: float = 0.0
    learned_s: float = 0.0
    left: dict[int, int] = field(default_factory=dict)  # group to its unfinished episodes
    used: list[tuple[Launched, ...]] = field(default_factory=list)
    cut: list[tuple[int, int, int]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    staleness: Counter[int] = field(default_factory=Counter)

    def run(self) -> None:
        while len(self.used) < self.plan.steps or self.state.learning:
            self._launch()
            overdue = self.now >= self._deadline
            self.state, taken = self.close(self.plan, self.state, overdue)
            if taken is not None:
                self._learn(taken)
            self._next_event()

    @property
    def _deadline(self) -> float:
        wait = self.work.deadline_s
        return inf if wait is None or self.state.learning else self.waiting_since + wait

    def _launch(self) -> None:
        self.state, numbers = self.launch(self.plan, self.state)
        for number in numbers:
            lengths = self.work.lengths(number)
            self.left[number] = len(lengths)
            self.engine.add(number, lengths)
        self.begun.extend(numbers)

    def _learn(self, taken: Taken) -> None:
        step = len(self.used)
        had = self.engine.abort({group.number for group in taken.cut})
        self.cut.extend((step, number, tokens) for number, tokens in sorted(had.items()))
        self.used.append(taken.used)
        self.staleness.update(self.state.version - group.version for group in taken.used)
        tokens = sum(sum(self.work.lengths(group.number)) for group in taken.used)
        seconds = self.work.step_s + self.work.learn_s * tokens
        self.learned_s += seconds
        self.learning_until = self.now + seconds

    def _next_event(self) -> None:
        """Go to whatever comes first: an episode's end, a step's end, or the deadline."""
        deadline = self._deadline if self._deadline > self.now else inf
        end = self.engine.next_end(self.now)
        then = min(end, self.learning_until, deadline)
        if then == inf:
            raise RuntimeError(f"nothing left to wait for at {self.state}")  # a deadlock
        self.engine.pass_time(self.now, then)
        self.now = then
        if then == self.learning_until:
            self.state = scheduler.advance(self.state)
            self.learning_until, self.waiting_since = inf, self.now
            self.engine.paused_until = self.now + self.work.swap_s
        elif then == end:
            self._ended(self.engine.pop())

    def _ended(self, group: int) -> None:
        self.left[group] -= 1
        if not self.left[group]:
            self.state = scheduler.finish(self.state, group)

    def outcome(self) -> Outcome:
        used = tuple(tuple(group.number for group in step) for step in self.used)
        return Outcome(
            seconds=self.now,
            used=used,
            cut=tuple(self.cut),
            launched=tuple(self.begun),
            staleness=dict(sorted(self.staleness.items())),
            used_lengths=self._lengths([number for step in used for number in step]),
            launched_lengths=self._lengths(self.begun),
            sampler_use=self.engine.busy / (self.now * self.work.slots),
            learner_use=self.learned_s / self.now,
        )

    def _lengths(self, numbers: list[int]) -> tuple[int, ...]:
        return tuple(length for number in numbers for length in self.work.lengths(number))


def _launch_many(plan: Plan, state: State) -> tuple[State, tuple[int, ...]]:
    """Launch more groups than a step needs, at its beginning only."""
    if state.open or state.learning or state.version >= plan.steps:
        return state, ()
    numbers = tuple(range(state.launched, state.launched + plan.in_flight))
    opened = tuple(Launched(state.version, number) for number in numbers)
    return replace(state, launched=state.launched + len(numbers), open=opened), numbers


def _close_first(plan: Plan, state: State, overdue: bool) -> tuple[State, Taken | None]:
    """Take the first n that are finished and cut the others, as is often done."""
    used = tuple(group for group in state.open if group.done)
    if state.learning or len(used) < plan.groups:
        return state, None
    cut = tuple(group for group in state.open if not group.done)
    return replace(state, open=(), learning=True), Taken(used, cut)


STRATEGIES: dict[str, tuple[_Launch, _Close]] = {
    "carry": (scheduler.launch, scheduler.close),
    "cut": (_launch_many, _close_first),
}


def simulate(plan: Plan, work: Work, strategy: str = "carry") -> Outcome:
    """Play a run of ``plan.steps`` steps.

    Args:
        plan: What the scheduler is asked for; ``max_staleness=0`` is synchronous.
        work: Lengths and speeds.
        strategy: ``carry`` is what `agentgym.rollout.scheduler` does; ``cut`` takes the first n of
            ``plan.in_flight`` groups and drops the others, to compare with.
    """
    launch, close = STRATEGIES[strategy]
    simulation = _Simulation(plan, work, launch, close, _Engine(work))
    simulation.run()
    return simulation.outcome()
