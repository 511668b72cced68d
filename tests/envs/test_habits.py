"""Demonstrations are written without being run: here they are run, and must read the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from agentgym.types import Task
from agentgym_envs.math.tasks import LEVELS
from agentgym_envs.python import habits
from agentgym_envs.python.env import PythonMath
from agentgym_envs.python.habits import Exchange, flawed_actions, proper_actions

SEEDS = range(40)


@pytest.fixture(scope="module", params=LEVELS)
def env(request: pytest.FixtureRequest) -> Iterator[PythonMath]:
    made = PythonMath(level=request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def level_1() -> Iterator[PythonMath]:
    made = PythonMath(level=1)
    yield made
    made.close()


def task_of(env: PythonMath, seed: int) -> Task:
    return env.tasks.get(f"train-{seed * 37}", "train")


def replay(env: PythonMath, task: Task, exchanges: Sequence[Exchange]) -> float:
    """Run an episode; every observation must be the one that was written. Return the reward."""
    env.reset(seed=0, options={"task_id": task.id})
    for number, (action, written) in enumerate(exchanges, 1):
        observation, reward, terminated, truncated, _ = env.step(action)
        assert observation == written, (task.id, action)
        assert (terminated, truncated) == (number == len(exchanges), False)
    return reward


@pytest.mark.parametrize("habit", habits._LEVEL_1, ids=lambda habit: habit.__name__)
def test_habit_of_level_1_reads_as_it_was_written(level_1: PythonMath, habit: habits.Habit) -> None:
    for seed in SEEDS:
        task = task_of(level_1, seed)
        replay(level_1, task, habit(task, random.Random(seed)))


def test_habits_of_every_level_read_as_they_were_written(env: PythonMath) -> None:
    for seed in SEEDS:
        task = task_of(env, seed)
        replay(env, task, flawed_actions(task, random.Random(seed)))


def test_proper_actions_read_as_they_were_written_and_score_one(env: PythonMath) -> None:
    for seed in SEEDS:
        task = task_of(env, seed)
        assert replay(env, task, proper_actions(task)) == 1.0


def test_proper_actions_are_the_oracles(env: PythonMath) -> None:
    task = task_of(env, 1)
    env.reset(seed=0, options={"task_id": task.id})
    assert [action for action, _ in proper_actions(task)] == list(env.oracle())


def test_habits_seldom_find_the_answer(env: PythonMath) -> None:
    """Only working from left to right is often right: where precedence does not matter."""
    rewards = []
    for seed in SEEDS:
        task, rng = task_of(env, seed), random.Random(seed)
        rewards.append(replay(env, task, flawed_actions(task, rng)))
    assert sum(rewards) / len(rewards) <= (0.35 if env.level == 1 else 0.05)


def kind_of(task: Task, exchanges: Sequence[Exchange]) -> str:
    """Tell a habit by its first action."""
    first = exchanges[0][0].removeprefix("```python\n").removesuffix("\n```")
    if first.startswith("\\boxed"):
        return "guess"
    if first == task.metadata["solution"]:
        return "misread"
    if first.startswith("("):
        return "left to right"
    return "broken" if first.endswith("+") else "half"


def test_every_habit_is_drawn(level_1: PythonMath) -> None:
    task = task_of(level_1, 0)
    drawn = {kind_of(task, flawed_actions(task, random.Random(seed))) for seed in SEEDS}
    assert drawn == {"guess", "misread", "broken", "half", "left to right"}


@pytest.mark.parametrize("flawed", [False, True])
def test_demonstrate_writes_what_an_episode_says(env: PythonMath, flawed: bool) -> None:
    task = task_of(env, 2)
    rows = env.demonstrate(task, random.Random(9), flawed=flawed)
    _, info = env.reset(seed=0, options={"task_id": task.id})
    said = [row for row in info["messages"] if row["role"] != "system"]
    for row in rows:
        if row["role"] == "assistant":
            said.append({"role": "assistant", "content": row["content"]})
            said.extend(env.step(row["content"])[4]["messages"])
    assert said == rows


def test_demonstrate_repeats_with_its_random_state(level_1: PythonMath) -> None:
    task = task_of(level_1, 3)
    once, again, other = (
        level_1.demonstrate(task, random.Random(seed), flawed=True) for seed in (1, 1, 4)
    )
    assert once == again
    assert once != other
