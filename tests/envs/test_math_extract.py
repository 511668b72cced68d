from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.errors import UsageError
from agentgym_envs.math import extract, verify

FOUND = [
    (r"so \boxed{33}", "33"),
    (r"\boxed{ 33 }.", "33"),
    (r"\boxed{\frac{1}{2}} done", r"\frac{1}{2}"),
    ("first \\boxed{1}\nno, \\boxed{2}", "2"),
    (r"\boxed{5} and again \boxed{5}", "5"),
    (r"\boxed{\boxed{5}}", r"\boxed{5}"),
    (r"\fbox{7}", "7"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"mentions \boxed{ and never closes it" + "\n" + r"\boxed{4}", "4"),
    ("work\n#### 1,200", "1,200"),
    ("#### 3\n#### 4", "4"),
    ("The final answer is 42.", "42"),
    ("The answer is: 42", "42"),
    ("**Answer:** 42", "42"),
    ("**Final answer: 42**", "42"),
    ("answer = 42", "42"),
    ("Answer: 1 or 2", "1 or 2"),
    (r"<think>maybe \boxed{1}</think>\boxed{2}", "2"),
    (r"thinking that the template opened \boxed{1}</think>\boxed{2}", "2"),
    (r"Answer: 3, no: \boxed{4}", "4"),
]

NOTHING = [
    "",
    "33",
    "I cannot determine the answer to problem 42",
    r"\boxed{}",
    r"\boxed{   }",
    r"\boxed{33",
    r"\boxed{1} then \boxed{2",
    r"\boxed{1} or \boxed{2}",
    r"<think>\boxed{33}</think>",
    r"<think>\boxed{33}",
    r"<think>a</think> <think>\boxed{33}",
    "####",
    r"\boxed",
]


@pytest.mark.parametrize(("response", "answer"), FOUND)
def test_extract_finds(response: str, answer: str) -> None:
    assert extract(response) == answer


@pytest.mark.parametrize("response", NOTHING)
def test_extract_finds_nothing_in(response: str) -> None:
    assert extract(response) is None


@given(st.text())
def test_extract_never_raises(text: str) -> None:
    found = extract(text)
    assert found is None or found.strip()


@given(st.text(alphabet="abc123+-=(),. "), st.text(alphabet="xyz \n<>"))
def test_extract_reads_back_a_box_after_any_prose(content: str, prose: str) -> None:
    assert extract(f"{prose}\\boxed{{{content}}}") == (content.strip() or None)


@pytest.mark.parametrize(
    "bomb",
    ["\\boxed{" * 40_000, "\\boxed{1} " * 40_000, "\\boxed{" * 20_000 + "}" * 20_000, "{" * 500_000,
     "answer is " * 50_000, "####" * 100_000, "<think>" * 50_000, "\\boxed" + " " * 300_000],
    ids=range(8),
)  # fmt: skip
def test_extract_is_quick_on_bombs(bomb: str) -> None:
    start = time.perf_counter()
    extract(bomb)
    assert time.perf_counter() - start < 1.0


def test_verify_says_what_it_found_and_why() -> None:
    right = verify(r"I think \boxed{33.0}", 33)
    assert (right.score, right.extracted, right.reason) == (1.0, "33.0", "the answer is right")
    wrong = verify(r"\boxed{34}", "33")
    assert (wrong.score, wrong.extracted, wrong.reason) == (0.0, "34", "the answer is wrong")
    none = verify("33", "33")
    assert (none.score, none.extracted) == (0.0, None)
    assert "boxed" in none.reason


def test_verify_gives_nothing_for_the_problem_in_a_box() -> None:
    assert verify(r"\boxed{12+7*3}", "33").score == 0.0


@pytest.mark.parametrize("gold", ["", "  ", None])
def test_verify_refuses_an_empty_gold(gold: object) -> None:
    with pytest.raises(UsageError, match="gold answer is empty"):
        verify(r"\boxed{}", gold)


def test_verify_refuses_a_limit_of_no_time() -> None:
    with pytest.raises(UsageError, match="timeout_s must be positive"):
        verify(r"\boxed{1}", "1", timeout_s=0)
