from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.chat.toolcalls import call, render
from agentgym.evaluate.diversity import distinct_among, diversity, solution, solutions
from agentgym.evaluate.statistics import wilson
from agentgym.types import Episode, Turn


def played(*actions: str, task: str = "t", reward: float | None = 1.0) -> Episode:
    """Return an episode in which the actions with a fence or a tag called their tool."""
    turns = tuple(
        Turn(text, "", 1, 1, "stop", ("python", "add") if "```" in text or "<tool" in text else ())
        for text in actions
    )
    status = "unscored" if reward is None else "scored"
    return Episode(task, 0, 0, status, reward, "", turns=turns)


def cell(code: str, around: str = "") -> str:
    return f"{around}\n```python\n{code}\n```\n{around}"


@pytest.mark.parametrize(
    "code",
    [
        "x = 1  # one\nprint( x+2 )",
        "# first\n\nx=1\n\nprint(x + 2)  ",
        "x = 1\r\nprint(x+2)",
    ],
)
def test_solution_passes_over_comments_blank_lines_and_spacing(code: str) -> None:
    assert solution(played(cell(code))) == solution(played(cell("x = 1\nprint(x + 2)")))


@pytest.mark.parametrize(
    "code",
    [
        "y = 1\nprint(y + 2)",
        "x = 1\nprint(2 + x)",
        "x = 1\nprint(x + 2)\nprint(3)",
        "if 1:\n    x = 1\nprint(x + 2)",
        "x = 1\nprint('# x + 2')",
    ],
)
def test_solution_tells_other_code_apart(code: str) -> None:
    assert solution(played(cell(code))) != solution(played(cell("x = 1\nprint(x + 2)")))


def test_solution_knows_blocks_by_their_indentation() -> None:
    inside = cell("for x in y:\n    f(x)\n    g(x)")
    outside = cell("for x in y:\n    f(x)\ng(x)")
    deeper = cell("for x in y:\n        f(x)\n        g(x)")
    assert solution(played(inside)) == solution(played(deeper)) != solution(played(outside))


def test_solution_passes_over_prose_around_calls_and_the_wording_of_the_answer() -> None:
    one = played(cell("1+1", "let me see"), "The answer is 2.")
    two = played(cell("1+1"), r"\boxed{2}")
    assert solution(one) == solution(two)


def test_solution_of_calls_is_their_order_and_arguments() -> None:
    add = [render(call("add", item="pear", count=n)) for n in (1, 2)]
    turned = render(call("add", count=1, item="pear"))
    assert solution(played(add[0])) == solution(played(turned))
    assert solution(played(*add)) == solution(played("\n".join(add)))
    assert len({solution(played(*actions)) for actions in (add, add[::-1], add[:1])}) == 3


def test_solution_without_calls_is_the_text_whatever_its_white_space() -> None:
    assert solution(played("so  it\nis 4")) == solution(played("so it is 4 "))
    assert solution(played("so it is 4")) != solution(played("thus it is 4"))


@pytest.mark.parametrize(
    "code", ["x = (1", "x = '''", "\tx\n  y\n z", "\x00", "((((" * 5000, "é\u2028\x0c", "1" * 10**5]
)
def test_solution_of_what_is_no_python_loses_only_white_space(code: str) -> None:
    assert solution(played(cell(code))) == solution(played(cell(f"{code} ")))
    assert solution(played(cell(code))) != solution(played(cell(f"{code}!")))


def test_solution_takes_lone_surrogates() -> None:
    assert solution(played("\ud800")) != solution(played("\ud801"))


def test_diversity_counts_the_distinct_solutions_of_successes_alone() -> None:
    episodes = [
        played("one", task="a"),
        played("one", task="a"),
        played("two", task="a"),
        played("one", task="b"),
        played("three", task="b", reward=0.9),
        played("four", task="c", reward=None),
    ]
    found = diversity(solutions(episodes))
    assert (found.successes, found.distinct, found.tasks) == (4, 3, 2)
    assert found.by_task == {"a": (3, 2), "b": (1, 1)}
    assert found.differ is not None
    assert found.differ.mean == pytest.approx(2 / 3)  # of the 3 pairs of a, 2 differ


def test_diversity_has_an_interval_over_tasks() -> None:
    found = diversity({"a": {"x": 2}, "b": {"x": 1, "y": 1}, "c": {"z": 1}})
    assert found.differ == wilson(1, 2)


def test_diversity_of_no_success_is_nothing() -> None:
    found = diversity({})
    assert (found.successes, found.distinct, found.tasks, found.differ) == (0, 0, 0, None)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_distinct_among_is_the_mean_over_all_picks(counts: list[int], data: st.DataObject) -> None:
    bag = [kind for kind, count in enumerate(counts) for _ in range(count)]
    picked = data.draw(st.integers(1, len(bag)))
    mean = fmean(len(set(pick)) for pick in combinations(bag, picked))
    assert distinct_among(counts, picked) == pytest.approx(mean, abs=1e-12)


def test_distinct_among_refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="between 1 and 3"):
        distinct_among([2, 1], 4)
