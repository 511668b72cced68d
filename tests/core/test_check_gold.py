"""Golds that do not count, that can be read, and that code can find."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agentgym as ag
from agentgym.check import CHECKS, check
from agentgym.check.gold import mutations
from agentgym.check.hidden import planted
from agentgym.check.report import CheckRow, Failed, NotApplicable
from agentgym.check.sandbox import PLACES
from agentgym.check.subject import Subject

ENVIRONMENTS = '''
import contextlib
import io
from dataclasses import replace

import agentgym as ag
from core_demo import Sum as Demo
from agentgym_envs.python.env import PythonMath


class Sum(Demo):
    """Sound."""

    explode = None


class Lax(Sum):
    """Takes any three digits."""

    def score(self, task, answer):
        return ag.Verdict.of(sum=len(answer) == 3 and answer.isdigit())


class Unsigned(Sum):
    """Does not look at signs."""

    def score(self, task, answer):
        return ag.Verdict.of(sum=answer.strip("-") == task.answer.strip("-"))


class Reckoner(Sum):
    """Works the gold out by itself."""

    def score(self, task, answer):
        return ag.Verdict.of(sum=answer == str(int(task.prompt.split()[0]) + 100))


class Hinting(Sum):
    """Shows the gold at the beginning."""

    def begin(self, task):
        return f"{super().begin(task)} (it is not {task.answer}, is it)"


class Telling(Sum):
    """Shows the gold in a tool's result."""

    @ag.tool
    def add(self, a: int, b: int = 100) -> str:
        """Add two whole numbers."""
        return f"{a + b}, expected {self.task.answer}"


class Printed(Sum):
    """Has tasks whose prompts hold the gold."""

    tasks = ag.TaskSet.generate(
        lambda rng, split, n: ag.Task("", f"{n} + 100? key: {n + 100}", str(n + 100)),
        {"train": 20},
    )


class State(Sum):
    """Is judged by what was done."""

    tasks = ag.TaskSet.of([ag.Task("one", "Add 1 and 1.")])

    def begin(self, task):
        self.sums = []
        return super().begin(task)

    @ag.tool
    def add(self, a: int, b: int = 100) -> int:
        """Add two whole numbers."""
        self.sums.append((a, b))
        return a + b

    def score(self, task, answer):
        return ag.Verdict.of(added=(1, 1) in self.sums)

    def oracle(self, task):
        yield ag.call("add", a=1, b=1)
        yield ag.answer("done")


class Careless(Sum):
    """Runs code in its own process."""

    @ag.tool
    def python(self, code: str) -> str:
        """Run code.

        Args:
            code: Python source.
        """
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                exec(code, {})
            except BaseException as error:
                return f"{type(error).__name__}: {error}"
        return said.getvalue()


class Remembering(PythonMath):
    """Leaves the gold in the session."""

    def begin(self, task):
        self.interpreter.setup = f"_expected = {task.answer!r}"
        return super().begin(task)
'''


@pytest.fixture
def environments(demo: ModuleType, write_module: Any) -> None:
    module = write_module("core_golds", ENVIRONMENTS)
    for name in vars(module):
        if name[0].isupper() and name not in ("Demo", "PythonMath"):
            ag.register(f"gold/{name}-v0", f"core_golds:{name}")


def row(name: str, env: str, tasks: int = 3) -> CheckRow:
    """Return one row of the check."""
    try:
        seen = CHECKS[name](Subject(f"gold/{env}-v0", tasks=tasks))
    except Failed as error:
        return CheckRow(name, "failed", str(error))
    except NotApplicable as error:
        return CheckRow(name, "not applicable", str(error))
    return CheckRow(name, "ok", seen.detail, seen.figures)


@pytest.mark.parametrize(
    ("gold", "changes"),
    [
        (True, {"turned": False}),
        (4, {"one more": 5, "its sign": -4}),
        (0, {"one more": 1}),
        ("4", {"its first digit": "5", "its sign": "-4"}),
        ("-3.59", {"its first digit": "-4.59", "its sign": "3.59", "its last digit": "-3.51"}),
        ("0", {"its first digit": "1"}),
        ("x + 19", {"its first digit": "x + 29", "its last digit": "x + 11"}),
        ("Paz", {"its letters": "Qba"}),
        ([1, 2], {"every part": [2, 3], "a part dropped": [1]}),
        ({"a": 1}, {"every part": {"a": 2}}),
        ((("f", 1), ("g", 2)), {"every part": (("g", 2), ("h", 3))}),
        (None, {}),
        ("", {}),
    ],
)
def test_mutations_are_other_golds(gold: Any, changes: dict[str, Any]) -> None:
    assert mutations(gold) == changes


golds = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50)
@given(golds)
def test_mutations_never_give_the_gold_itself(gold: Any) -> None:
    changes = list(mutations(gold).values())
    assert gold not in changes
    assert all(changes.count(each) == 1 for each in changes)


def test_planted_gold_keeps_the_shape() -> None:
    gold, digits = planted({"a": ["x", 2], "b": None, "c": True}, random.Random(0))
    assert gold == {"a": [digits[0], int(digits[1])], "b": None, "c": True}
    assert [len(each) for each in digits] == [15, 15]
    number, digits = planted(2.5, random.Random(0))
    assert digits[0] in repr(number)


@pytest.mark.parametrize("name", ["mutated", "hidden"])
def test_sound_environment_passes(environments: None, name: str) -> None:
    assert row(name, "Sum").status == "ok"


def test_check_finds_a_verifier_that_takes_anything_like_the_gold(environments: None) -> None:
    report = check("gold/Lax-v0", tasks=3)
    assert {each.name: each.detail for each in report.rows if not each.ok} == {
        "mutated": "task train-0: what solves the gold '100' solves '200' too (its first digit)"
    }


def test_check_finds_a_verifier_that_takes_one_kind_of_change(environments: None) -> None:
    found = row("mutated", "Unsigned")
    assert found.status == "failed"
    assert found.detail.endswith("solves the gold '100' solves '-100' too (its sign)")


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ("Reckoner", "verdicts follow another gold than Task.answer"),
        ("State", "its golds are not in Task.answer"),
    ],
)
def test_gold_that_is_elsewhere_cannot_be_changed(environments: None, env: str, why: str) -> None:
    assert row("mutated", env) == CheckRow("mutated", "not applicable", why)


def test_rows_about_golds_say_where_there_is_none(environments: None) -> None:
    assert {row(name, "State").status for name in ("hidden", "sandbox")} == {"not applicable"}


@pytest.mark.parametrize(
    ("env", "detail"),
    [
        ("Hinting", "task train-0: the first observation shows the gold"),
        ("Telling", "task train-0: the observation of step 1 shows the gold"),
        ("Printed", "number 3 of the observation is the gold in 100% of 20 tasks"),
    ],
)
def test_check_finds_a_gold_that_can_be_read(environments: None, env: str, detail: str) -> None:
    failed = [each for each in check(f"gold/{env}-v0", tasks=2).rows if not each.ok]
    assert [(each.name, each.detail) for each in failed] == [("hidden", detail)]


def test_check_finds_a_gold_that_code_can_reach(environments: None) -> None:
    failed = [each for each in check("gold/Careless-v0", tasks=1).rows if not each.ok]
    assert [each.name for each in failed] == ["sandbox"]
    assert "frames" in failed[0].detail


def test_check_finds_a_gold_in_a_session(environments: None) -> None:
    found = row("sandbox", "Remembering")
    assert found.status == "failed"
    assert "finds the gold in: variables" in found.detail


def test_code_looks_everywhere_in_a_session(environments: None) -> None:
    seen = CHECKS["sandbox"](Subject("agentgym/PythonMath-v0"))
    assert all(place in seen.detail for place in PLACES)
    assert "not looked at" not in seen.detail
