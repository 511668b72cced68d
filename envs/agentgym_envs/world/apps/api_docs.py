"""The documentation that the agent can look up."""

from __future__ import annotations

from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("api_docs", "Search and read the documentation of apps and APIs.", accounts=False)
