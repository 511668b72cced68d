"""Phone: contacts, text messages and alarms."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("phone", "Contacts, text messages and alarms.")
add_account_apis(app)
