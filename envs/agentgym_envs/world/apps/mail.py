"""Mail: read, search, send, answer, label and archive email."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("mail", "Read, search, send, answer, label and archive email.")
add_account_apis(app)
