"""From a whole response to a verdict: extract, then compare."""

from __future__ import annotations

from typing import Any

from agentgym.errors import UsageError
from agentgym.types import Rule, Verdict
from agentgym_envs.math.check import equivalent
from agentgym_envs.math.extract import extract

__all__ = ["verify"]


def verify(response: str, gold: Any, timeout_s: float = 2.0) -> Verdict:
    """Judge a response by its final answer.

    Args:
        response: What the model wrote.
        gold: The right answer; a number or text.
        timeout_s: Most seconds for one judgement. Every rule of this version is bounded by the
            length of its input and stays far below it.

    Returns:
        Score 1.0 or 0.0, with the answer that was found and what decided.

    Raises:
        UsageError: If the gold is empty or the limit not positive; never for the response.
    """
    expected = str(gold).strip()
    if gold is None or not expected:
        raise UsageError(f"the gold answer is empty ({gold!r}); drop the task or give its answer")
    if not timeout_s > 0:
        raise UsageError(f"timeout_s must be positive, not {timeout_s}")
    found = extract(response)
    if found is None:
        return _verdict(False, r"no final answer; it belongs in \boxed{}", None)
    right = equivalent(found, expected)
    return _verdict(right, "the answer is right" if right else "the answer is wrong", found)


def _verdict(right: bool, reason: str, found: str | None) -> Verdict:
    score = float(right)
    return Verdict(score, (Rule("answer", score, reason=reason),), reason, found)
