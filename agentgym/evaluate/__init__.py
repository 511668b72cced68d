"""Evaluation: how good a policy is, with intervals.

The package can be called: ``agentgym.evaluate(...)`` is `agentgym.evaluate.runner.evaluate`.
"""

from agentgym._callable import make_callable

make_callable(__name__, "agentgym.evaluate.runner:evaluate")
