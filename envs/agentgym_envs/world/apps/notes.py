"""Notes: notes with tags and pins, and to-do lists."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("notes", "Notes with tags and pins, and to-do lists.")
add_account_apis(app)
