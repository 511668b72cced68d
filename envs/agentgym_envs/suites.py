"""The built-in suites: what of the built-in environments is worth playing together."""

from __future__ import annotations

from agentgym.evaluate.suites import SuiteEntry, register_suite

__all__ = ["register_suites"]

MATH = "agentgym/Math-v0"
PYTHON_MATH = "agentgym/PythonMath-v0"
PYTHON_CODE = "agentgym/PythonCode-v0"
WORLD = "agentgym/ApiWorld-v0"

_STARTER = (
    SuiteEntry(MATH, {"level": 1}, tasks=50),
    SuiteEntry(PYTHON_MATH, {"level": 1}, tasks=50, rollouts=2),
    SuiteEntry(PYTHON_CODE, tasks=20),
    SuiteEntry(WORLD, {"size": "small"}, "test_normal", tasks=12),
)
_MATH = (
    *(SuiteEntry(MATH, {"level": n}, tasks=100, name=f"level-{n}") for n in range(1, 6)),
    SuiteEntry(MATH, {"topic": "all"}, tasks=200, name="topics"),
)
_PYTHON = (
    *(SuiteEntry(PYTHON_MATH, {"level": n}, tasks=100, name=f"level-{n}") for n in (1, 3, 5)),
    SuiteEntry(PYTHON_CODE, tasks=200),
)
_WORLD = (
    SuiteEntry(WORLD, split="test_normal", tasks=1000, name="normal"),
    SuiteEntry(WORLD, split="test_challenge", tasks=1000, name="challenge"),
)


def register_suites() -> None:
    """Register them."""
    register_suite("starter", _STARTER, "A little of everything: minutes on a CPU.")
    register_suite("math", _MATH, "Mathematics in one response, by level, and by topic.")
    register_suite("python", _PYTHON, "Problems to solve with Python, and functions to write.")
    register_suite("world", _WORLD, "Every held-out task of the world of apps.")
    register_suite("all", (*_MATH, *_PYTHON, *_WORLD), "Mathematics, Python and the world.")
