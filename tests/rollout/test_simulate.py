"""The simulator: what carrying stragglers over gives, and what cutting them costs."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.rollout.scheduler import Plan
from agentgym.rollout.simulate import Work, simulate

STEPS = 30
WORK = Work(group_size=4, slots=64)


def plan(max_staleness: int, in_flight: int = 16, steps: int = STEPS) -> Plan:
    return Plan(groups=8, max_staleness=max_staleness, in_flight=in_flight, steps=steps)


def test_a_synchronous_run_takes_the_seconds_worked_out_by_hand() -> None:
    work = Work(
        group_size=1, tokens=100, spread=0.0, slots=1, decode_s=0.01, decode_each_s=0.0,
        learn_s=0.001, step_s=0.5, swap_s=0.2,
    )  # fmt: skip
    outcome = simulate(Plan(groups=2, max_staleness=0, in_flight=2, steps=2), work)
    # Twice: 2 episodes one after the other, 2 x 1 s; a step, 0.5 + 0.2 s; then a swap, 0.2 s, and
    # the swap after the last step is nobody's wait.
    assert outcome.seconds == pytest.approx(2 * (2.0 + 0.7) + 0.2)
    assert outcome.learner_use == pytest.approx(1.4 / 5.6)
    assert outcome.sampler_use == pytest.approx(4.0 / 5.6)
    assert outcome.tokens_per_s == pytest.approx(400 / 5.6)


def test_what_is_learned_from_is_what_was_launched() -> None:
    outcome = simulate(plan(2), WORK)
    assert sorted(outcome.used_lengths) == sorted(outcome.launched_lengths)
    assert sorted(n for step in outcome.used for n in step) == list(range(8 * STEPS))
    assert outcome.cut == ()
    assert outcome.length_bias == 0.0


def test_cutting_stragglers_learns_from_short_episodes() -> None:
    outcome = simulate(plan(0), WORK, "cut")
    assert outcome.length_bias < -0.25
    assert len(outcome.cut) == 8 * STEPS
    gone = [number for _, number, _ in outcome.cut]
    used = [number for step in outcome.used for number in step]
    assert sorted([*used, *gone]) == sorted(outcome.launched)


def test_steps_after_the_first_few_are_of_the_mean_length() -> None:
    """Carrying over delays long groups; it does not thin them out of the steps that follow."""
    steps = 150
    outcome = simulate(plan(2, steps=steps), WORK)
    later = [fmean(n for g in step for n in WORK.lengths(g)) for step in outcome.used[5:-5]]
    assert fmean(later) == pytest.approx(fmean(outcome.launched_lengths), rel=0.05)


def test_asynchronous_is_faster_and_within_its_bound() -> None:
    runs = [simulate(plan(bound), WORK) for bound in (0, 1, 2, 4)]
    assert all(one.tokens_per_s <= two.tokens_per_s for one, two in pairwise(runs))
    assert runs[2].tokens_per_s > 1.5 * runs[0].tokens_per_s
    assert [max(run.staleness) for run in runs] == [0, 1, 2, 4]


def test_a_deadline_names_whom_it_cut() -> None:
    work = Work(group_size=4, slots=64, deadline_s=2.0)
    outcome = simulate(plan(1), work)
    assert outcome.cut
    assert outcome.length_bias < 0.0
    for step, number, tokens in outcome.cut:
        assert 0 <= step < STEPS
        assert 0 <= tokens <= max(work.lengths(number))
    gone = {number for _, number, _ in outcome.cut}
    used = [number for step in outcome.used for number in step]
    assert sorted([*used, *gone]) == sorted(outcome.launched)
    assert max(outcome.staleness) <= 1


def test_a_seed_repeats() -> None:
    assert simulate(plan(2), WORK) == simulate(plan(2), WORK)


@settings(max_examples=25, deadline=None)
@given(
    bound=st.integers(0, 3),
    in_flight=st.integers(1, 20),
    slots=st.integers(1, 40),
    spread=st.floats(0.0, 2.0),
    deadline=st.none() | st.floats(0.0, 60.0),
    seed=st.integers(0, 99),
)
def test_any_work_ends_with_every_group_accounted_for(
    bound: int, in_flight: int, slots: int, spread: float, deadline: float | None, seed: int
) -> None:
    work = Work(group_size=3, slots=slots, spread=spread, deadline_s=deadline, seed=seed)
    outcome = simulate(plan(bound, in_flight, steps=8), work)
    gone = [*(n for step in outcome.used for n in step), *(n for _, n, _ in outcome.cut)]
    assert len(gone) == len(set(gone))
    assert set(gone) <= set(outcome.launched)
    assert len(outcome.launched) - len(gone) <= 8 * (bound + 1)
    assert max(outcome.staleness) <= bound
    if deadline is None:
        assert outcome.length_bias == 0.0
