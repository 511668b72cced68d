from __future__ import annotations

import ast
import contextlib
import io
import random
import re
from fractions import Fraction

import pytest

from agentgym.errors import ConfigError
from agentgym.types import Task
from agentgym_envs.math.problem import Family
from agentgym_envs.math.tasks import FAMILIES, LEVELS, SIZES, level_tasks

SPLITS = ("train", "dev", "test")
ALL_FAMILIES = [family for level in LEVELS for family in FAMILIES[level]]


def draw(level: int, split: str, index: int, seed: int = 0) -> Task:
    return level_tasks(level, seed=seed).get(f"{split}-{index}")


def run(code: str) -> str:
    """Say what an interpreter shows for code: its output, else the last expression's value."""
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "solution", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "solution", "eval"), names)
    return printed.getvalue().strip() or repr(value)


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.__name__)
def test_family_answer_is_what_its_code_finds(family: Family) -> None:
    for seed in range(400):
        problem = family(random.Random(seed))
        assert run(problem.code) == problem.answer, problem


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.__name__)
def test_family_hides_no_answer_in_an_unused_number(family: Family) -> None:
    problem = family(random.Random(3))
    for number in re.findall(r"= (\d+)\n", problem.code):
        assert re.search(rf"\b{number}\b", problem.text), problem


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", SPLITS)
def test_task_answer_is_what_its_solution_finds(level: int, split: str) -> None:
    for index in range(300):
        task = draw(level, split, index)
        assert run(task.metadata["solution"]) == task.answer
        assert task.metadata["level"] == level
        assert task.split == split


@pytest.mark.parametrize("level", [1, 2])
def test_expression_tasks_agree_with_exact_evaluation_of_their_prompt(level: int) -> None:
    for index in range(1_000):
        task = draw(level, "train", index)
        expression = task.prompt.removeprefix("What is ").removesuffix("?")
        assert re.fullmatch(r"[0-9+\-*/()]+", expression)
        exact = re.sub(r"(\d+)", r"Fraction(\1)", expression)
        assert Fraction(task.answer) == eval(exact, {"Fraction": Fraction})


def test_level_1_prompts_are_short_and_of_one_form() -> None:
    operands = []
    for index in range(2_000):
        prompt = draw(1, "train", index).prompt
        match = re.fullmatch(r"What is (\d\d?)[+\-*](\d\d?)[+\-*](\d\d?)\?", prompt)
        assert match, prompt
        operands.extend(map(int, match.groups()))
    assert min(operands) >= 1
    assert sum(operand >= 10 for operand in operands) / len(operands) > 0.85


@pytest.mark.parametrize("level", LEVELS)
def test_answers_are_integers_but_for_fractions_at_level_5(level: int) -> None:
    answers = [draw(level, "train", index).answer for index in range(500)]
    fractions = [answer for answer in answers if "/" in answer]
    assert all(re.fullmatch(r"-?\d+(/\d+)?", answer) for answer in answers)
    assert bool(fractions) == (level == 5)


@pytest.mark.parametrize("level", LEVELS)
def test_splits_share_no_problem(level: int) -> None:
    keys = {
        split: {draw(level, split, index).metadata["key"] for index in range(1_000)}
        for split in SPLITS
    }
    assert not keys["train"] & keys["dev"]
    assert not keys["train"] & keys["test"]
    assert not keys["dev"] & keys["test"]
    assert all(len(found) > 900 for found in keys.values())


def test_draw_is_deterministic_and_differs_by_index_level_and_seed() -> None:
    assert draw(3, "dev", 7) == draw(3, "dev", 7)
    prompts = {draw(3, "dev", index).prompt for index in range(50)}
    assert len(prompts) == 50
    assert draw(3, "dev", 7).prompt != draw(3, "dev", 7, seed=1).prompt


def test_draw_is_the_same_in_every_process() -> None:
    assert draw(1, "train", 0).prompt == "What is 55+57+30?"
    assert draw(1, "train", 0).answer == "142"


@pytest.mark.parametrize("level", LEVELS)
def test_every_family_is_drawn(level: int) -> None:
    keys = {draw(level, "train", index).metadata["family"] for index in range(600)}
    assert keys == {family.__name__ for family in FAMILIES[level]}


def test_level_tasks_have_the_promised_sizes() -> None:
    tasks = level_tasks(2)
    assert {split: len(tasks.ids(split)) for split in tasks.splits} == SIZES
    assert SIZES == {"train": 20_000, "dev": 1_000, "test": 1_000}


@pytest.mark.parametrize("level", [0, 6, -1])
def test_level_tasks_refuse_an_unknown_level(level: int) -> None:
    with pytest.raises(ConfigError, match="level must be one of 1, 2, 3, 4, 5"):
        level_tasks(level)
