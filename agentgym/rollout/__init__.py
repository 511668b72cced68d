"""Rollouts: episodes of a policy in an environment.

The package can be called: ``agentgym.rollout(...)`` is `agentgym.rollout.runner.rollout`.
"""

from agentgym._callable import make_callable

make_callable(__name__, "agentgym.rollout.runner:rollout")
