from __future__ import annotations

import ast
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agentgym.errors import ConfigError
from agentgym.tasks import TaskSet, split_of
from agentgym.types import Task
from agentgym_envs.python.asserts import Unreadable, read_tests
from agentgym_envs.python.code_family import Family
from agentgym_envs.python.code_rows import file_tasks
from agentgym_envs.python.code_tasks import CODE_FAMILIES, code_tasks, make_task
from agentgym_envs.python.grade import Case, grade
from agentgym_envs.python.values import decode, encode
from agentgym_sandbox import Limits, LocalSandbox

FAMILY_NAMES = [family.name for family in CODE_FAMILIES]
MBPP: dict[str, Any] = {
    "task_id": 7,
    "text": "Write a function to double a number.",
    "code": "def double(n):\n    return 2 * n",
    "test_list": ["assert double(1) == 2", "assert double(-3) == -6", "assert double(0) == 0"],
    "test_setup_code": "",
}
HUMANEVAL: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": "from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    '''Add up.'''\n",
    "entry_point": "total",
    "canonical_solution": "    return sum(xs)\n",
    "test": (
        "METADATA = {'author': 'jt'}\n\n\ndef check(candidate):\n"
        "    assert candidate([1, 2]) == 3, 'first'\n    assert candidate([]) == 0\n"
        "    assert True, 'still here'\n"
    ),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalSandbox]:
    with LocalSandbox(limits=Limits()) as made:
        yield made


def score(sandbox: LocalSandbox, task: Task, code: str) -> float:
    facts = task.metadata
    result = grade(sandbox, code, facts["entry_point"], task.answer, setup=facts["setup"])
    return result.verdict(code).score


def drawn(family: Family, count: int) -> list[Task]:
    rng = random.Random(family.name)
    tasks = (make_task(family, family.parameters(rng), rng) for _ in range(20 * count))
    return list(itertools.islice((task for task in tasks if task is not None), count))


def passes_all(task: Task, code: str) -> bool:
    """Try code of ours without a sandbox: what is tested are the tests."""
    space: dict[str, Any] = {}
    exec(code, space)
    for case in task.answer:
        try:
            value = space[task.metadata["entry_point"]](*ast.literal_eval(case.arguments))
        except (TypeError, ValueError, IndexError, KeyError):
            return False
        if not case.accepts(encode(value)):
            return False
    return True


def from_rows(tmp_path: Path, *rows: Mapping[str, Any], **options: bool) -> TaskSet:
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return file_tasks(path, **options)


def test_there_are_at_least_20_families_of_different_names() -> None:
    assert len(set(FAMILY_NAMES)) == len(CODE_FAMILIES) >= 20


@pytest.mark.parametrize("family", CODE_FAMILIES, ids=FAMILY_NAMES)
def test_reference_scores_1_for_many_parameters(sandbox: LocalSandbox, family: Family) -> None:
    tasks = drawn(family, 5)
    assert len(tasks) == 5
    assert [score(sandbox, task, task.metadata["solution"]) for task in tasks] == [1.0] * 5
    assert all(passes_all(task, task.metadata["solution"]) for task in drawn(family, 20))


@pytest.mark.parametrize("family", CODE_FAMILIES, ids=FAMILY_NAMES)
def test_reference_of_other_parameters_fails_a_test(family: Family) -> None:
    tasks = drawn(family, 8)
    pairs = [
        (task, other.metadata["solution"])
        for task, other in itertools.pairwise(tasks)
        if task.metadata["solution"] != other.metadata["solution"]
    ]
    assert len(pairs) >= 5
    assert [passes_all(task, code) for task, code in pairs] == [False] * len(pairs)


@pytest.mark.parametrize("family", CODE_FAMILIES, ids=FAMILY_NAMES)
def test_simple_guess_fails_a_test(family: Family) -> None:
    for task in drawn(family, 4):
        header = task.metadata["solution"].splitlines()[0]
        argument = header[header.index("(") + 1 : header.index(")")]
        counts = Counter(case.expected for case in task.answer)
        common = repr(decode(counts.most_common(1)[0][0]))
        for guess in (argument, "None", "0", "True", "[]", f"{argument}[::-1]", common):
            assert not passes_all(task, f"{header}\n    return {guess}")


def test_examples_shown_are_right_and_not_among_the_tests() -> None:
    tasks = code_tasks()
    for number in range(60):
        task = tasks.get(f"train-{number}")
        space: dict[str, Any] = {}
        exec(task.metadata["solution"], space)
        examples = re.findall(r"^>>> (\w+\((.*)\))\n(.*)$", task.prompt, flags=re.MULTILINE)
        assert len(examples) == 2
        for source, arguments, value in examples:
            assert repr(eval(source, space)) == value
            assert f"({arguments},)" not in [case.arguments for case in task.answer]


def test_splits_are_disjoint_by_what_is_asked() -> None:
    tasks = code_tasks()
    for split in ("train", "dev", "test"):
        for number in range(80):
            task = tasks.get(f"{split}-{number}")
            assert split_of(task.metadata["key"]) == split == task.split


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_each_split_has_each_family(split: str) -> None:
    tasks = code_tasks()
    seen = {tasks.get(f"{split}-{number}").metadata["family"] for number in range(400)}
    assert seen == set(FAMILY_NAMES)


def test_built_in_tasks_are_the_same_each_time() -> None:
    assert code_tasks().get("dev-3") == code_tasks().get("dev-3")
    assert code_tasks().get("dev-3") != code_tasks(seed=1).get("dev-3")


def test_own_shape_is_read(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "split": "test",
        "prompt": "Add.",
        "entry_point": "add",
        "tests": [[[1, 2], 3], [["x", "y"], "xy"]],
    }
    task = from_rows(tmp_path, row).get("a", "test")
    assert task.answer == (Case("(1, 2)", "3"), Case("('x', 'y')", '"xy"'))
    assert task.prompt == "Add.\n\nThe function is called `add`."


def test_mbpp_shape_shows_the_first_test_and_hides_the_others(
    tmp_path: Path, sandbox: LocalSandbox
) -> None:
    task = from_rows(tmp_path, MBPP).get("7")
    assert "For example: assert double(1) == 2" in task.prompt
    assert task.answer == (Case("(-3,)", "-6", "equal"), Case("(0,)", "0", "equal"))
    assert score(sandbox, task, MBPP["code"]) == 1.0
    assert score(sandbox, task, "def double(n): return 2.0 * n") == 1.0  # as an assert has it
    assert score(sandbox, task, "def double(n): return n + 1") == 0.0


def test_mbpp_set_up_is_run_before_the_code(tmp_path: Path, sandbox: LocalSandbox) -> None:
    row = {**MBPP, "test_setup_code": "import math"}
    task = from_rows(tmp_path, row).get("7")
    assert score(sandbox, task, "def double(n): return math.prod([2, n])") == 1.0


def test_humaneval_shape_is_read(tmp_path: Path, sandbox: LocalSandbox) -> None:
    task = from_rows(tmp_path, HUMANEVAL).get("HumanEval/0")
    assert task.answer == (Case("([1, 2],)", "3", "equal"), Case("([],)", "0", "equal"))
    assert task.prompt.endswith(HUMANEVAL["prompt"].rstrip())
    assert score(sandbox, task, task.metadata["solution"]) == 1.0
    assert score(sandbox, task, "def total(xs: List[int]): return sum(xs)") == 1.0
    assert score(sandbox, task, "def other(xs): return sum(xs)") == 0.0


@pytest.mark.parametrize(
    ("statement", "case"),
    [
        ("assert f((1, 2), 'a') == [(1,)]", Case("((1, 2), 'a')", '[{"tuple": [1]}]', "equal")),
        ("assert 5 == f(-1)", Case("(-1,)", "5", "equal")),
        ("assert f() is True", Case("()", "true", "exact")),
        ("assert (f(1)) == {2, 1}, 'why'", Case("(1,)", '{"set": [1, 2]}', "equal")),
        ("assert abs(f(1) - 0.5) < 1e-06", Case("(1,)", '{"float": "0.5"}', "near", 1e-6)),
        (
            "assert math.isclose(f(2), 4, rel_tol=0.001)",
            Case("(2,)", "4", "near", 0.004),
        ),
    ],
    ids=range(6),
)
def test_assert_becomes_a_case(statement: str, case: Case) -> None:
    assert read_tests([statement]) == ("f", (case,))


@pytest.mark.parametrize(
    "statement",
    [
        "assert f(1)",
        "assert not f(1)",
        "assert f(1) != 2",
        "assert f(x) == 2",
        "assert f(1) == g(2)",
        "assert set(f(1)) == {1}",
        "assert f(1) == 1 == 1",
        "assert f(n=1) == 2",
        "assert f(1) == object()",
        "assert f(1) is 'text'",
        "assert f(1) == 2 and f(2) == 3",
        "for n in (1, 2): assert f(n) == n",
        "import os",
        "assert f(1) == ",
        "assert f(*[1]) == 2",
        "assert abs(f(1) - x) < 0.1",
        "assert True",
        "assert f(1) == 1e999 - 1e999",
        "",
    ],
    ids=range(19),
)
def test_assert_of_another_form_is_refused(statement: str) -> None:
    with pytest.raises(Unreadable):
        read_tests([statement])


def test_asserts_of_two_functions_are_refused() -> None:
    with pytest.raises(Unreadable, match=r"the asserts call \['f', 'g'\]"):
        read_tests(["assert f(1) == 1", "assert g(1) == 1"])


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"prompt": "x"}, "tasks.jsonl:2: no tests; a row has 'prompt', 'entry_point'"),
        ({**MBPP, "test_list": ["assert g(1) != 2"]}, r":2: cannot read the test `g\(1\) != 2`"),
        ({**MBPP, "test_list": "assert"}, ":2: 'test_list' must be a list of assert statements"),
        ({**MBPP, "text": ""}, ":2: needs a text under 'text'"),
        ({**MBPP, "task_id": 1}, ":2: a row above has the id '1' too"),
        ({**MBPP, "task_id": []}, ":2: the id must be a text or a whole number"),
        ({**HUMANEVAL, "entry_point": "a b"}, ":2: 'entry_point' must be the name of a function"),
        ({**HUMANEVAL, "test": "x = 1"}, ":2: 'test' must define one function check"),
        ({**HUMANEVAL, "prompt": "def f(:"}, ":2: 'prompt' is no Python"),
        ({"prompt": "x", "entry_point": "f", "tests": [[1, 2]]}, r":2: a test must be \[\[argum"),
        ({"prompt": "x", "entry_point": "f", "tests": []}, ":2: 'tests' must be a list of"),
        ({"prompt": "x", "entry_point": "f", "tests": [[[1], float("nan")]]}, "nan equals nothing"),
        ({"prompt": "x", "entry_point": "f", "tests": [[[1], "x" * 60_000]]}, "60002 characters"),
    ],
    ids=range(13),
)
def test_bad_row_is_refused_by_file_and_line(
    tmp_path: Path, row: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        from_rows(tmp_path, {**MBPP, "task_id": 1}, row)


@pytest.mark.parametrize("line", ["{", "[1]", "null"])
def test_line_that_is_no_object_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(line)
    with pytest.raises(ConfigError, match=r"tasks.jsonl:1: (not JSON|expected a JSON object)"):
        file_tasks(tmp_path / "tasks.jsonl")


def test_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no tasks; write one JSON object a line"):
        from_rows(tmp_path)


def test_unreadable_rows_can_be_left_out_with_a_warning(tmp_path: Path) -> None:
    bad = {**MBPP, "task_id": 8, "test_list": ["assert f(1)"]}
    with pytest.warns(UserWarning, match=r"left out 1 rows, the first .*tasks.jsonl:1: cannot"):
        tasks = from_rows(tmp_path, bad, MBPP, skip_unreadable=True)
    assert list(tasks.ids("train")) == ["7"]


def test_hash_of_a_task_does_not_depend_on_the_order_of_a_set() -> None:
    values = ["a", "b", "c", "d", "e"]
    assert (
        encode(set(values)) == encode(set(reversed(values))) == '{"set": ["a", "b", "c", "d", "e"]}'
    )
