"""Is an environment sound? Its contract, a reward that can be trusted, and what it costs.

Every row of `CHECKS` is one promise. A check returns what it saw, or raises: what it raises becomes
the row's detail, so that one report shows all that is wrong.
"""

from __future__ import annotations

from agentgym.check.checks import CHECKS, check
from agentgym.check.contract import HOSTILE
from agentgym.check.report import CheckReport, CheckRow

__all__ = ["CHECKS", "HOSTILE", "CheckReport", "CheckRow", "check"]
