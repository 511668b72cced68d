"""What an official judgement is worth: three ways of paying for the same tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["REWARDS"]

DEED = "no_op_fail"  # AppWorld's label of a test that an agent that does nothing fails


def binary(found: Mapping[str, Any]) -> float:
    """1.0 if every test passes: AppWorld's own measure."""
    return float(found["success"])


def fraction(found: Mapping[str, Any]) -> float:
    """The share of tests that pass; it pays also for what nothing has broken.

    Source: Chen et al. 2025, "Reinforcement Learning for Long-Horizon Interactive LLM Agents"
    (LOOP), arXiv 2502.01600.
    """
    return len(found["passes"]) / found["num_tests"] if found["num_tests"] else 0.0


def guarded(found: Mapping[str, Any]) -> float:
    """The share of tests of deeds that pass: 0 on collateral damage, and 0 for doing nothing."""
    if any(test["label"] != DEED for test in found["failures"]):
        return 0.0
    done = sum(test["label"] == DEED for test in found["passes"])
    deeds = done + len(found["failures"])
    return done / deeds if deeds else float(found["success"])


REWARDS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "binary": binary,
    "fraction": fraction,
    "guarded": guarded,
}
