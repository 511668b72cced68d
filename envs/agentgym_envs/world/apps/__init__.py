"""The apps of the world, one a file."""

from __future__ import annotations

from collections.abc import Mapping

from agentgym_envs.world.apps import (
    api_docs,
    calendar,
    files,
    mail,
    music,
    notes,
    pay,
    phone,
    shop,
    supervisor,
)
from agentgym_envs.world.registry import App

__all__ = ["APPS"]

APPS: Mapping[str, App] = {
    module.app.name: module.app
    for module in (mail, phone, pay, shop, music, notes, files, calendar, supervisor, api_docs)
}
