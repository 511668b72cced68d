"""Rubrics: several weighted rules become one verdict that says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agentgym.errors import UsageError
from agentgym.types import Rule, Task, Verdict

__all__ = ["Check", "Rubric"]

Check = Callable[[Task, Any], "bool | float | Rule"]
"""Judges (task, answer or whatever the environment hands over) as a score in [0, 1]."""


class Rubric:
    """Weighted rules: ``score = clip(scale * sum(w_i s_i) / sum of the positive w_i)``.

    A rule that raises is a fault of the environment, so its exception passes through.

    Args:
        checks: Name to check. A check gives a truth value, a score, or a whole `Rule`, whose own
            weight and reason are then kept.
        weights: Name to weight, also of a whole `Rule`; 1 where nothing says it. A negative weight
            is a penalty.
        scale: What a perfect score is worth.
        clip: Lower and upper bound of the score, after scaling.

    Raises:
        UsageError: If there is no positive weight, or a weight names no check.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        weights: Mapping[str, float] | None = None,
        *,
        scale: float = 1.0,
        clip: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self._checks = dict(checks)
        self._weights = dict(weights or {})
        self._scale = scale
        self._low, self._high = clip
        if unknown := sorted(self._weights.keys() - self._checks.keys()):
            raise UsageError(f"weights for no rule: {unknown}; rules are {list(self._checks)}")
        if self._low > self._high:
            raise UsageError(f"clip must be (low, high), not {clip}")
        if not any(self._weights.get(name, 1.0) > 0 for name in self._checks):
            raise UsageError("a rubric needs a rule with a positive weight")

    def __call__(self, task: Task, answer: Any) -> Verdict:
        """Judge an answer by every rule.

        Raises:
            ValueError: If a rule gives a score that is not finite.
        """
        rules = tuple(self._rule(name, task, answer) for name in self._checks)
        positive = sum(rule.weight for rule in rules if rule.weight > 0)
        total = sum(rule.weight * rule.score for rule in rules)
        score = self._scale * total / positive if positive else 0.0
        return Verdict(min(max(score, self._low), self._high), rules, _reason(rules))

    def _rule(self, name: str, task: Task, answer: Any) -> Rule:
        given = self._checks[name](task, answer)
        rule = given if isinstance(given, Rule) else Rule(name, float(given))
        if name in self._weights:
            rule = replace(rule, weight=self._weights[name])
        if not math.isfinite(rule.score):
            raise ValueError(f"rule '{name}' gave {rule.score}; a score must be finite")
        return rule


def _reason(rules: tuple[Rule, ...]) -> str:
    """Name the rules that did not hold, the penalties that did, and degrees with their reasons."""
    graded = [rule for rule in rules if 0.0 < rule.score < 1.0 and rule.reason and rule.weight > 0]
    failed = [
        rule.name for rule in rules if rule.weight > 0 and rule.score < 1.0 and rule not in graded
    ]
    failed += [rule.name for rule in rules if rule.weight < 0 and rule.score > 0.0]
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"{rule.name} {rule.score:.3g} ({rule.reason})" for rule in graded]
    return "; ".join(parts) or "all rules hold"
