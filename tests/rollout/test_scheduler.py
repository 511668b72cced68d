"""The scheduler: promises held under any order of events, and small cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.rollout.scheduler import (
    Launched,
    Plan,
    State,
    advance,
    close,
    finish,
    launch,
    resume,
)

PLANS = st.builds(
    Plan,
    groups=st.integers(1, 4),
    max_staleness=st.integers(0, 3),
    in_flight=st.integers(1, 12),
    steps=st.integers(1, 8),
)


class Drive:
    """Plays a scheduler's part of a run; whatever happens next is drawn by hypothesis."""

    def __init__(self, plan: Plan, deadlines: bool, state: State | None = None) -> None:
        self.plan, self.deadlines = plan, deadlines
        self.state = state or State()
        self.launched: list[int] = []
        self.used: list[int] = []
        self.cut: list[int] = []
        self.sizes: list[int] = []
        self.stale: list[int] = []

    def run(self, data: st.DataObject) -> None:
        """Go on until every step is taken; there is always something that can happen."""
        while self.state.version < self.plan.steps:
            self.state, numbers = launch(self.plan, self.state)
            self.launched.extend(numbers)
            flying = [group.number for group in self.state.open if not group.done]
            assert len(flying) <= self.plan.in_flight
            if self.closed(overdue=False):
                continue
            events = [("finish", number) for number in flying]
            events += [("step", 0)] * self.state.learning
            events += [("overdue", 0)] * (self.deadlines and not self.state.learning)
            assert events, f"deadlock: {self.state}"
            what, number = data.draw(st.sampled_from(events))
            if what == "finish":
                self.state = finish(self.state, number)
            elif what == "step":
                self.state = advance(self.state)
            elif not self.closed(overdue=True) and flying:
                self.state = finish(self.state, flying[0])

    def closed(self, overdue: bool) -> bool:
        self.state, taken = close(self.plan, self.state, overdue)
        if taken is None:
            return False
        self.sizes.append(len(taken.used))
        self.stale.extend(self.state.version - group.version for group in taken.used)
        assert all(group.done for group in taken.used)
        assert not any(group.done for group in taken.cut)
        self.used.extend(group.number for group in taken.used)
        self.cut.extend(group.number for group in taken.cut)
        return True


@settings(max_examples=200, deadline=None)
@given(plan=PLANS, data=st.data())
def test_every_group_is_learned_from_once_within_the_bound(plan: Plan, data: st.DataObject) -> None:
    drive = Drive(plan, deadlines=False)
    drive.run(data)
    assert drive.launched == list(range(plan.groups * plan.steps))
    assert sorted(drive.used) == drive.launched
    assert drive.sizes == [plan.groups] * plan.steps
    assert max(drive.stale) <= plan.max_staleness
    assert drive.state.open == ()
    assert drive.cut == []


@settings(max_examples=200, deadline=None)
@given(plan=PLANS, data=st.data())
def test_deadlines_lose_no_group_without_a_report(plan: Plan, data: st.DataObject) -> None:
    drive = Drive(plan, deadlines=True)
    drive.run(data)
    gone = [*drive.used, *drive.cut]
    assert len(gone) == len(set(gone))
    left = [group.number for group in drive.state.open]
    assert sorted([*gone, *left]) == sorted(drive.launched)
    assert max(drive.stale) <= plan.max_staleness
    assert len(drive.sizes) == plan.steps
    assert min(drive.sizes) >= 1


@settings(max_examples=100, deadline=None)
@given(plan=PLANS, data=st.data())
def test_a_resumed_run_uses_each_group_once(plan: Plan, data: st.DataObject) -> None:
    """A run that died after a checkpoint: finished groups are found, the others sampled again."""
    first = Drive(replace(plan, steps=data.draw(st.integers(0, plan.steps))), deadlines=False)
    first.run(data)
    first.plan = plan
    at = launch(plan, first.state)[0]
    found = {
        group.number: group.version for group in at.open if data.draw(st.booleans(), "finished")
    }
    state = resume(
        first.state.version,
        first.state.launched,
        [group.number for group in first.state.open],
        found,
    )
    second = Drive(plan, deadlines=False, state=state)
    second.run(data)
    assert sorted([*first.used, *second.used]) == list(range(plan.groups * plan.steps))
    assert not set(second.launched) & set(found)
    assert max([*second.stale, 0]) <= plan.max_staleness


def opened(*groups: tuple[int, int, bool], version: int, **more: object) -> State:
    rows = tuple(Launched(*group) for group in groups)
    return State(version=version, launched=len(rows), open=rows, **more)  # type: ignore[arg-type]


def test_launching_waits_for_the_bound() -> None:
    plan = Plan(groups=2, max_staleness=1, in_flight=9, steps=9)
    state, numbers = launch(plan, State())
    assert numbers == (0, 1, 2, 3)  # two for step 0, two for step 1 at staleness 1
    for number in numbers:
        state = finish(state, number)
    state, taken = close(plan, state)
    assert taken is not None
    assert [group.number for group in taken.used] == [0, 1]
    assert launch(plan, state)[1] == ()  # the next could be used at version 2 only: too old
    assert launch(plan, advance(state))[1] == (4, 5)


def test_synchronous_launches_nothing_while_it_learns() -> None:
    plan = Plan(groups=2, max_staleness=0, in_flight=9, steps=9)
    state, numbers = launch(plan, State())
    assert numbers == (0, 1)
    state, _ = close(plan, finish(finish(state, 0), 1))
    assert launch(plan, state)[1] == ()
    assert launch(plan, advance(state))[1] == (2, 3)


def test_over_launching_is_bounded_by_what_is_in_flight() -> None:
    plan = Plan(groups=2, max_staleness=3, in_flight=3, steps=9)
    state, numbers = launch(plan, State())
    assert numbers == (0, 1, 2)
    assert launch(plan, finish(state, 1))[1] == (3,)


def test_nothing_is_launched_that_no_step_would_use() -> None:
    plan = Plan(groups=2, max_staleness=3, in_flight=9, steps=2)
    assert launch(plan, State(version=1))[1] == (0, 1)
    assert launch(plan, State(version=1, learning=True))[1] == ()


def test_a_straggler_is_carried_over_and_then_waited_for() -> None:
    plan = Plan(groups=1, max_staleness=1, in_flight=9, steps=9)
    state = opened((0, 0, False), (0, 1, True), version=0)
    state, taken = close(plan, state)
    assert taken is not None
    assert taken.used == (Launched(0, 1, True),)
    assert taken.cut == ()
    state = replace(advance(state), open=(*state.open, Launched(1, 2, True)))
    assert close(plan, state)[1] is None  # 0 would be too old for the next step
    _, taken = close(plan, finish(state, 0))
    assert taken is not None
    assert taken.used == (Launched(0, 0, True),)


def test_a_step_waits_where_later_ones_could_not_take_all_that_is_old() -> None:
    plan = Plan(groups=1, max_staleness=2, in_flight=9, steps=9)
    state = opened((0, 0, False), (0, 1, False), (1, 2, True), version=1)
    assert close(plan, state)[1] is None  # both are due at version 2, and it takes one
    _, taken = close(plan, finish(state, 1))
    assert taken is not None
    assert taken.used == (Launched(0, 1, True),)


def test_a_deadline_cuts_only_what_would_be_too_old() -> None:
    plan = Plan(groups=3, max_staleness=1, in_flight=9, steps=9)
    state = opened((0, 0, False), (0, 1, True), (1, 2, False), version=1)
    assert close(plan, state)[1] is None
    state, taken = close(plan, state, overdue=True)
    assert taken is not None
    assert taken.used == (Launched(0, 1, True),)
    assert taken.cut == (Launched(0, 0, False),)
    assert state.open == (Launched(1, 2, False),)


def test_a_deadline_without_anything_finished_waits_on() -> None:
    plan = Plan(groups=1, max_staleness=0, in_flight=9, steps=9)
    assert close(plan, opened((0, 0, False), version=0), overdue=True)[1] is None


def test_finished_groups_are_never_cut_after_a_small_step() -> None:
    plan = Plan(groups=1, max_staleness=0, in_flight=9, steps=9)
    state = opened((0, 0, True), (0, 1, True), version=0)  # one too many, as after a short step
    _, taken = close(plan, state)
    assert taken is not None
    assert len(taken.used) == 2
    assert taken.cut == ()


def test_resume_relaunches_what_was_lost_before_anything_new() -> None:
    state = resume(version=4, launched=10, unused=[6, 8, 9], found={8: 3, 11: 4})
    assert state.open == (Launched(3, 8, True), Launched(4, 11, True))
    assert state.again == (6, 9, 10)
    assert launch(Plan(5, 1, 20, 99), state)[1] == (6, 9, 10, 12, 13, 14, 15, 16)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="group 3 is not under way"):
        finish(State(), 3)
    with pytest.raises(ValueError, match="has no step under way"):
        advance(State())
    with pytest.raises(ValueError, match="no step can be taken"):
        Plan(groups=0, max_staleness=1, in_flight=1, steps=1)
