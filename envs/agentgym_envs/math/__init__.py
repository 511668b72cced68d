"""Mathematics: what counts as an answer, what it equals, and problems to answer."""

from __future__ import annotations

from agentgym.errors import Unscored
from agentgym_envs.math.check import equivalent
from agentgym_envs.math.extract import extract
from agentgym_envs.math.pool import Verifier
from agentgym_envs.math.verify import verify

__all__ = ["Unscored", "Verifier", "equivalent", "extract", "verify"]
