"""Every family against a second way to its answer, and the texts and golds that tasks carry."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import sympy

from agentgym.errors import ConfigError
from agentgym.types import Task
from agentgym_envs.math.exercise import ExerciseFamily
from agentgym_envs.math.gold import Antiderivative, gold, kind
from agentgym_envs.math.tasks import LEVELS
from agentgym_envs.math.topics import TOPICS, topic_families, topic_tasks
from agentgym_envs.math.verify import verify
from agentgym_envs.math.worked import unworked

SPLITS = ("train", "dev", "test")
FAMILIES = [family for _, _, family in topic_families("all")]
by_name = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)


def same(one: Any, two: Any) -> bool:
    """Say whether two answers are the same by value."""
    if isinstance(one, frozenset):
        orders = itertools.permutations(two)
        return len(one) == len(two) and any(same(tuple(one), order) for order in orders)
    if isinstance(one, tuple | sympy.MatrixBase):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, Antiderivative):
        x = sympy.Symbol("x")
        return same(one.function.diff(x), two.function.diff(x))
    if is_dataclass(one):
        return same(parts(one), parts(two))
    return bool(one == two) or (not isinstance(one, str | sympy.Set) and same_expression(one, two))


def parts(value: Any) -> tuple[Any, ...]:
    return (type(value).__name__, *(getattr(value, each.name) for each in fields(value)))


def same_expression(one: Any, two: Any) -> bool:
    """Say whether two numbers or expressions are equal, or two equations up to a factor."""
    if isinstance(one, sympy.Equality):
        ratio = sympy.cancel((one.lhs - one.rhs) / (two.lhs - two.rhs))
        return not ratio.free_symbols and ratio != 0
    return vanishes(sympy.sympify(one) - sympy.sympify(two))


def vanishes(difference: Any) -> bool:
    """Say whether an expression is 0 at three points, to 30 digits."""
    symbols = sorted(difference.free_symbols, key=str)
    places = [(3, 5, 7), (4, 11, 2), (6, 1, 9)]  # whole, for a formula in n
    values = (difference.subs(dict(zip(symbols, place, strict=False))) for place in places)
    return all(abs(value.evalf(40, maxn=400)) < 1e-30 for value in values)


@by_name
def test_family_answer_is_found_again_in_another_way(family: ExerciseFamily) -> None:
    for seed in range(6):
        exercise = family(random.Random(seed))
        assert same(exercise.value, exercise.again()), exercise


@by_name
def test_family_gold_is_right_against_itself(family: ExerciseFamily) -> None:
    for seed in range(20):
        answer = gold(family(random.Random(seed)).value)
        assert verify(rf"So it is \boxed{{{answer}}}.", answer).score == 1.0, answer


@by_name
def test_family_asks_with_no_formula_that_is_the_answer(family: ExerciseFamily) -> None:
    for seed in range(8):
        exercise = family(random.Random(seed))
        answer = gold(exercise.value)
        for formula in re.findall(r"\$([^$]+)\$", exercise.text):
            if re.fullmatch(r"-?(\d+|\\frac\{\d+\}\{\d+\})", formula):
                continue  # a guess at a number, not a copy
            equal = verify(rf"\boxed{{{formula}}}", answer).score == 1.0
            assert not equal or unworked(formula, answer, ""), exercise


@by_name
def test_family_text_is_whole(family: ExerciseFamily) -> None:
    for seed in range(40):
        text = family(random.Random(seed)).text
        assert text.count("$") % 2 == 0, text
        assert text[0].isupper() or text[0] == "$", text
        assert text[-1] in ".?", text
        assert not re.search(r"\+ -|Rational|\*\*|  |sympy|\{\{", text), text


@by_name
def test_family_has_many_exercises(family: ExerciseFamily) -> None:
    drawn = {family(random.Random(seed)).numbers for seed in range(150)}
    assert len(drawn) > 60


@by_name
def test_family_draws_in_20_ms(family: ExerciseFamily) -> None:
    gold(family(random.Random(0)).value)
    best = []
    for seed in range(1, 4):
        started = time.process_time()
        for number in range(10):
            gold(family(random.Random(10 * seed + number)).value)
        best.append((time.process_time() - started) / 10)
    assert min(best) < 0.02


def test_there_are_at_least_40_families_of_many_kinds() -> None:
    assert len({family.__name__ for family in FAMILIES}) == len(FAMILIES) >= 40
    kinds = {kind(family(random.Random(0)).value) for family in FAMILIES}
    assert len(kinds) >= 15, kinds


@pytest.mark.parametrize("topic", TOPICS)
def test_topic_has_at_least_two_families_at_each_level(topic: str) -> None:
    assert all(len(topic_families(topic, level)) >= 2 for level in LEVELS)


def draw(split: str, index: int, topic: str = "all", level: int | None = None) -> Task:
    return topic_tasks(topic, level).get(f"{split}-{index}")


@pytest.mark.parametrize("topic", TOPICS)
def test_splits_share_no_exercise(topic: str) -> None:
    keys = [{draw(split, n, topic).metadata["key"] for n in range(60)} for split in SPLITS]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]


def test_task_says_topic_level_family_and_kind() -> None:
    task = draw("dev", 3, "calculus", 3)
    assert task.split == "dev"
    assert (task.metadata["topic"], task.metadata["level"]) == ("calculus", 3)
    assert task.metadata["family"] in {
        family.__name__ for _, _, family in topic_families("calculus", 3)
    }
    assert task.metadata["kind"]


def test_all_draws_from_every_topic_and_level() -> None:
    seen = [draw("train", index).metadata for index in range(250)]
    assert {row["topic"] for row in seen} == set(TOPICS)
    assert {row["level"] for row in seen} == set(LEVELS)


def test_draws_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib\nfrom agentgym_envs.math.topics import topic_tasks\n"
        "tasks = topic_tasks('all')\n"
        "rows = [tasks.get(f'train-{n}') for n in range(150)]\n"
        "text = repr([(r.prompt, r.answer, sorted(r.metadata.items())) for r in rows])\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for seed in (0, 1, 2)
    }
    rows = [draw("train", n) for n in range(150)]
    text = repr([(r.prompt, r.answer, sorted(r.metadata.items())) for r in rows])
    assert prints == {hashlib.sha256(text.encode()).hexdigest() + "\n"}


def test_unknown_topic_and_level_are_refused() -> None:
    with pytest.raises(ConfigError, match="no topic 'topology'; there are arithmetic, algebra"):
        topic_tasks("topology")
    with pytest.raises(ConfigError, match="level must be one of 1, 2, 3, 4, 5, not 6"):
        topic_tasks("algebra", 6)


def test_topics_load_sympy_only_when_asked_for() -> None:
    code = (
        "import sys\nimport agentgym_envs.math.topics\nfrom agentgym_envs.math.env import Math\n"
        "Math(); print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)  # noqa: PLW1510
    assert done.stdout == "False\n", done.stderr
