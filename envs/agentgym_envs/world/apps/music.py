"""Music: songs, albums, artists, playlists, a library and a play queue."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("music", "Songs, albums, artists, playlists, a library and a play queue.")
add_account_apis(app)
