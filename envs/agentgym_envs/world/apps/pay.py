"""Pay: send, request and track money between people."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("pay", "Send, request and track money between people.")
add_account_apis(app)
