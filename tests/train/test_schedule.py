"""Which tasks a step trains on."""

from __future__ import annotations

from agentgym.train.schedule import Schedule

IDS = [f"t{n}" for n in range(7)]


def test_schedule_uses_every_task_once_an_epoch() -> None:
    schedule = Schedule(IDS, 3, seed=1)
    drawn = [task for step in range(7) for task in schedule.tasks(step)]
    for epoch in range(3):
        assert sorted(drawn[7 * epoch : 7 * epoch + 7]) == IDS


def test_schedule_depends_on_seed_and_step_alone() -> None:
    forward = Schedule(IDS, 3, seed=1)
    expected = [forward.tasks(step) for step in range(10)]
    fresh = Schedule(IDS, 3, seed=1)
    assert [fresh.tasks(step) for step in reversed(range(10))] == expected[::-1]


def test_schedule_differs_between_seeds_and_epochs() -> None:
    one, two = Schedule(IDS, 7, seed=1), Schedule(IDS, 7, seed=2)
    assert one.tasks(0) != two.tasks(0)
    assert one.tasks(0) != one.tasks(1)
