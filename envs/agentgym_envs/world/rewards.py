"""What a verdict is worth: three ways of paying for the same rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentgym.types import Rule, Verdict
from agentgym_envs.world.check import COLLATERAL
from agentgym_envs.world.expect import Expected

__all__ = ["REWARDS"]

Reward = Callable[[Verdict, Expected], float]


def binary(verdict: Verdict, expected: Expected) -> float:
    """1.0 if every rule holds."""
    return verdict.score


def fraction(verdict: Verdict, expected: Expected) -> float:
    """The share of rules that hold; it pays also for what nothing has broken.

    Source: Chen et al. 2025, "Reinforcement Learning for Long-Horizon Interactive LLM Agents"
    (LOOP), arXiv 2502.01600.
    """
    return sum(rule.score for rule in verdict.rules) / len(verdict.rules)


def guarded(verdict: Verdict, expected: Expected) -> float:
    """The share of deeds that were done: 0 on collateral damage, and 0 for doing nothing.

    Deeds are the expected changes, the answer where one is asked, and giving up where that is
    right; an answer that nobody asked for is a deed that was not done. A wrong status is worth 0.
    """
    held = {rule.name: rule.score for rule in verdict.rules}
    if not (held[COLLATERAL] and held["status"]):
        return 0.0
    deeds = [rule for rule in verdict.rules if _is_deed(rule, expected)]
    return sum(rule.score for rule in deeds) / len(deeds) if deeds else verdict.score


def _is_deed(rule: Rule, expected: Expected) -> bool:
    if rule.name == "answer":
        return expected.answer is not None or not rule.score
    if rule.name == "status":
        return expected.status == "fail"
    return rule.name != COLLATERAL


REWARDS: Mapping[str, Reward] = {"binary": binary, "fraction": fraction, "guarded": guarded}
