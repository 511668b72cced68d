"""The scenarios, found in the modules of this package: each has a tuple ``SCENARIOS``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from agentgym_envs.world.scenario import Scenario

__all__ = ["all_scenarios"]


@cache
def all_scenarios() -> tuple[Scenario, ...]:
    """Return every scenario, in the order of their names."""
    found: list[Scenario] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found.extend(getattr(loaded, "SCENARIOS", ()))
    return tuple(sorted(found, key=lambda each: each.name))
