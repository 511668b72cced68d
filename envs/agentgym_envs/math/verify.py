"""From a whole response to a verdict: extract, then compare."""

from __future__ import annotations

import re
from typing import Any

from agentgym.errors import UsageError
from agentgym.types import Rule, Verdict
from agentgym_envs.math.check import Decision, decide
from agentgym_envs.math.cleaning import clean
from agentgym_envs.math.extract import Found, find
from agentgym_envs.math.nodes import Group, Sequence, Unreadable
from agentgym_envs.math.parser import parse
from agentgym_envs.math.stack import with_a_fresh_stack

__all__ = ["checked_gold", "verify"]


def verify(
    response: str, gold: Any, timeout_s: float = 2.0, *, problem: str | None = None
) -> Verdict:
    r"""Judge a response by its final answer.

    Args:
        response: What the model wrote.
        gold: The right answer; a number or text.
        timeout_s: Most seconds of arithmetic, by the clock of this thread. Sizes are limited before
            any value is built, so that all but a few judgements take milliseconds; for a limit
            that a kill enforces see `agentgym_envs.math.Verifier`.
        problem: What was asked, if known: an expression copied from it is no answer.

    Returns:
        Score 1.0 or 0.0, with the answer that was found and the rule that decided.

    Raises:
        UsageError: If the gold is empty or the limit not positive; never for the response.
    """
    expected = checked_gold(gold)
    if not timeout_s > 0:
        raise UsageError(f"timeout_s must be positive, not {timeout_s}")
    return with_a_fresh_stack(
        lambda: _judged(response, expected, timeout_s, problem),
        _verdict(Decision(False, "too large: nested too deeply"), None),
    )


def _judged(response: str, expected: str, timeout_s: float, problem: str | None) -> Verdict:
    found = find(response)
    if found is None:
        return _verdict(Decision(False, r"no final answer; it belongs in \boxed{}"), None)
    if len(found.parts) > 1 and not _is_listing(expected):
        return _verdict(Decision(False, "several different boxes"), found.text)
    decision = decide(found.text, expected, timeout_s)
    if decision.equal and problem is not None and _copied(found, expected, problem):
        decision = Decision(False, "the problem again, not its answer")
    return _verdict(decision, found.text)


def checked_gold(gold: Any) -> str:
    """Return a gold as text.

    Raises:
        UsageError: If it is empty.
    """
    expected = "" if gold is None else str(gold).strip()
    if not expected:
        raise UsageError(f"the gold answer is empty ({gold!r}); drop the task or give its answer")
    return expected


def _is_listing(gold: str) -> bool:
    """Say whether a gold has several items, which a response may box one by one."""
    try:
        node = parse(clean(gold))
    except Unreadable:
        return False
    return isinstance(node, Sequence) or (isinstance(node, Group) and node.opened == r"\{")


def _copied(found: Found, gold: str, problem: str) -> bool:
    """Say whether the answer is an unworked expression of the problem."""
    answer, wanted, asked = (_bare(text) for text in (found.text, gold, problem))
    unworked = re.search(r"[0-9a-zA-Z)}][-+*/^]|\\(?:times|cdot|frac|div)", answer) is not None
    return unworked and answer != wanted and answer in asked


def _bare(text: str) -> str:
    try:
        return re.sub(r"\s", "", clean(text))
    except Unreadable:
        return re.sub(r"\s", "", text)


def _verdict(decision: Decision, found: str | None) -> Verdict:
    score = float(decision.equal)
    reason = f"{'right' if decision.equal else 'wrong'}: {decision.rule}"
    return Verdict(score, (Rule("answer", score, reason=reason),), reason, found)
