"""Calendar: events with attendees, invitations and reminders."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("calendar", "Events with attendees, invitations and reminders.")
add_account_apis(app)
