"""Shop: search products, fill a cart, order, return and review."""

from __future__ import annotations

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["app"]

app = App("shop", "Search products, fill a cart, order, return and review.")
add_account_apis(app)
