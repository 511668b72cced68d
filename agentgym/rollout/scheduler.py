"""When groups are launched and steps are taken: events in, decisions out; no threads, no clock.

Sampling that goes on while the learner steps makes three promises, and this keeps them:

1. A group that was launched at version v is learned from at version v + max_staleness at the
   latest. Launching waits where a further group could not be.
2. What a step takes depends on when groups were launched and whether they are finished, on nothing
   else: not on rewards. Those that are unfinished are carried over to the next step, not cut.
   A step waits where taking it would leave more old groups than later steps can take in time.
3. Without a deadline, then, each group that is launched is learned from exactly once, however long
   it took. A deadline cuts only groups that would be too old for the next step, and names them.

The promises are made about whole groups: the first of its episodes' tokens decides how old it is.
Left out: taking the first K of a group's K + x episodes, which prefers short ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["Launched", "Plan", "State", "Taken", "advance", "close", "finish", "launch", "resume"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted.

    Attributes:
        groups: That a step learns from (n).
        max_staleness: Most steps that the learner may have taken since a group was launched; 0
            is synchronous.
        in_flight: Most unfinished groups; n times the over-launch factor.
        steps: Of the whole run: nothing is launched that would not be learned from.

    Raises:
        ValueError: If no step could ever be taken.
    """

    groups: int
    max_staleness: int
    in_flight: int
    steps: int

    def __post_init__(self) -> None:
        if self.groups < 1 or self.in_flight < 1 or self.max_staleness < 0:
            raise ValueError(f"no step can be taken by {self}; at least one group and no less")


@dataclass(frozen=True, slots=True, order=True)
class Launched:
    """A group under way, or finished and not yet learned from.

    Attributes:
        version: Of the weights when it was launched.
        number: Its place in the order of all launches, from 0: which task it is.
        done: Whether all of its episodes are finished.
    """

    version: int
    number: int
    done: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands.

    Attributes:
        version: Steps taken and pushed.
        launched: Groups launched so far; the next new one has this number.
        open: Those that are not learned from yet, the oldest first.
        again: Numbers to launch once more, before any new one: lost when a process died.
        learning: Whether the step of this version is being taken.
    """

    version: int = 0
    launched: int = 0
    open: tuple[Launched, ...] = ()
    again: tuple[int, ...] = ()
    learning: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step learns from, and what was given up for it."""

    used: tuple[Launched, ...]
    cut: tuple[Launched, ...] = ()


def launch(plan: Plan, state: State) -> tuple[State, tuple[int, ...]]:
    """Return the numbers of the groups to launch now.

    As many as `plan.in_flight` allows, and no more than the steps can take in which a group of
    this version may be used: those up to ``version + max_staleness``, and those of the run.
    """
    steps = min(plan.max_staleness + 1, plan.steps - state.version) - state.learning
    room = plan.groups * steps - len(state.open)
    idle = plan.in_flight - sum(not group.done for group in state.open)
    count = max(0, min(room, idle))
    again, later = state.again[:count], state.again[count:]
    new = range(state.launched, state.launched + count - len(again))
    numbers = (*again, *new)
    added = (Launched(state.version, number) for number in numbers)
    return (
        replace(
            state,
            launched=state.launched + len(new),
            again=later,
            open=tuple(sorted((*state.open, *added))),
        ),
        numbers,
    )


def finish(state: State, number: int) -> State:
    """Note that all episodes of a group are finished.

    Raises:
        ValueError: If no such group is under way.
    """
    if not any(group.number == number and not group.done for group in state.open):
        raise ValueError(f"group {number} is not under way; it was cut, or finished before")
    marked = (replace(g, done=True) if g.number == number else g for g in state.open)
    return replace(state, open=tuple(marked))


def close(plan: Plan, state: State, overdue: bool = False) -> tuple[State, Taken | None]:
    """Decide what the step learns from; None to wait on.

    The oldest n finished groups, with whatever else is finished and would be too old for the next
    step (more than n only after a step that its deadline made small).

    Args:
        plan: What is wanted.
        state: Where the run stands.
        overdue: The deadline of this step is past: take what there is, if there is anything, and
            cut those unfinished groups that would be too old for the next step.
    """
    if state.learning:
        return state, None
    oldest = state.version - plan.max_staleness  # older than this is too old for the next step
    ready = [group for group in state.open if group.done]
    due = sum(group.version <= oldest for group in ready)
    used = ready[: max(plan.groups, due)]
    rest = [group for group in state.open if group not in used]
    whole = len(used) >= plan.groups and _in_time(plan, state, rest)
    if not used or not (whole or overdue):
        return state, None
    cut = tuple(group for group in rest if group.version <= oldest)
    kept = tuple(group for group in rest if group.version > oldest)
    return replace(state, open=kept, learning=True), Taken(tuple(used), cut)


def _in_time(plan: Plan, state: State, rest: list[Launched]) -> bool:
    """Tell whether later steps can take all of ``rest`` before it is too old.

    Of the groups that must be used within the next k steps at most n k may be left; where there
    were too many before, all that a step can do is to take n of them.
    """
    for k in range(plan.max_staleness + 1):
        newest = state.version - plan.max_staleness + k
        left = sum(group.version <= newest for group in rest)
        before = sum(group.version <= newest for group in state.open)
        most = max(plan.groups * k, before - plan.groups) if k else 0
        if left > most:
            return False
    return True


def advance(state: State) -> State:
    """Note that the step was taken and its weights were pushed.

    Raises:
        ValueError: If no step was being taken.
    """
    if not state.learning:
        raise ValueError(f"version {state.version} has no step under way; close one first")
    return replace(state, version=state.version + 1, learning=False)


def resume(version: int, launched: int, unused: Iterable[int], found: dict[int, int]) -> State:
    """Return the state after a process died.

    Args:
        version: Of the checkpoint.
        launched: Groups launched when it was written.
        unused: Of those, the numbers that no step had used or cut.
        found: Number to version of the finished groups that can be used still.
    """
    total = max([launched, *(number + 1 for number in found)])
    wanted = sorted({*unused, *range(launched, total)})
    done = (Launched(found[number], number, done=True) for number in wanted if number in found)
    again = tuple(number for number in wanted if number not in found)
    return State(version, total, tuple(sorted(done)), again)
