from __future__ import annotations

from typing import Any

import pytest

from agentgym_envs.appworld.rewards import REWARDS


def judged(passes: str, failures: str) -> dict[str, Any]:
    """Return a judgement: a letter a test, ``d`` for a deed and ``k`` for what must be kept."""
    labels = {"d": "no_op_fail", "k": "no_op_pass"}
    return {
        "success": not failures,
        "num_tests": len(passes + failures),
        "passes": [{"label": labels[each]} for each in passes],
        "failures": [{"label": labels[each]} for each in failures],
    }


@pytest.mark.parametrize(
    ("passes", "failures", "binary", "fraction", "guarded"),
    [
        ("ddkk", "", 1.0, 1.0, 1.0),
        ("kk", "dd", 0.0, 0.5, 0.0),  # nothing was done
        ("dkk", "d", 0.0, 0.75, 0.5),
        ("ddk", "k", 0.0, 0.75, 0.0),  # something else was changed
        ("kk", "", 1.0, 1.0, 1.0),
    ],
)
def test_reward_of_tests(
    passes: str, failures: str, binary: float, fraction: float, guarded: float
) -> None:
    found = judged(passes, failures)
    values = {"binary": binary, "fraction": fraction, "guarded": guarded}
    assert {name: REWARDS[name](found) for name in REWARDS} == values
