"""Judge an episode once, at its end: what changed, what was answered, and what must not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentgym.types import Rule, Verdict
from agentgym_envs.world.answers import same_answer
from agentgym_envs.world.database import Change
from agentgym_envs.world.expect import Expected, ExpectedChange
from agentgym_envs.world.pairing import paired

__all__ = ["COLLATERAL", "judge"]

COLLATERAL = "no collateral damage"


def judge(
    expected: Expected, changes: Sequence[Change], completed: Mapping[str, Any] | None
) -> Verdict:
    """Return a verdict of one rule per requirement; the score is 1.0 if all hold, else 0.0.

    Args:
        expected: What a solved task comes to.
        changes: The net difference that the episode made.
        completed: The arguments of ``complete_task``; None if it was never called.
    """
    pairs = paired(expected.changes, changes)
    rules = [_change_rule(n, wanted, n in pairs) for n, wanted in enumerate(expected.changes)]
    if expected.status == "success":
        rules.append(_answer_rule(expected.answer, completed))
    rules.append(_status_rule(expected.status, completed))
    rules.append(_collateral_rule(expected, changes, set(pairs.values())))
    failed = [rule.name for rule in rules if rule.score < 1.0]
    reason = f"failed: {', '.join(failed)}" if failed else "all rules hold"
    answer = None if completed is None else completed.get("answer")
    return Verdict(float(not failed), tuple(rules), reason, None if answer is None else str(answer))


def _change_rule(number: int, wanted: ExpectedChange, made: bool) -> Rule:
    name = f"{number + 1}: {type(wanted).__name__.lower()} {wanted.table}"
    return Rule(name, float(made), reason="" if made else f"not made: {wanted}")


def _answer_rule(wanted: Any, completed: Mapping[str, Any] | None) -> Rule:
    given = completed.get("answer") if completed else None
    right = completed is not None and same_answer(wanted, given)
    return Rule("answer", float(right), reason="" if right else f"{given!r} is not {wanted!r}")


def _status_rule(wanted: str, completed: Mapping[str, Any] | None) -> Rule:
    given = completed.get("status") if completed else None
    right = given == wanted
    return Rule("status", float(right), reason="" if right else f"{given!r} is not {wanted!r}")


def _collateral_rule(expected: Expected, changes: Sequence[Change], used: set[int]) -> Rule:
    stray = [
        f"{change.kind} {change.table} {change.id}"
        for number, change in enumerate(changes)
        if number not in used and not _allowed(expected, change)
    ]
    return Rule(COLLATERAL, float(not stray), reason=", ".join(stray[:10]))


def _allowed(expected: Expected, change: Change) -> bool:
    return any(
        one == change.table if isinstance(one, str) else one.fits(change)
        for one in expected.allowed
    )
