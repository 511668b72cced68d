"""Training: a policy learns from its own episodes.

The package can be called: ``agentgym.train(...)`` is `agentgym.train.loop.train`.
"""

from agentgym._callable import make_callable

make_callable(__name__, "agentgym.train.loop:train")
