"""Files: a file system of folders and text files, with sharing."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("files", "A file system of folders and text files, with sharing.")
add_account_apis(app)
