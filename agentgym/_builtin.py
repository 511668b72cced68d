"""Makes ``gymnasium.make("agentgym:agentgym/...")`` find the built-in environments.

Gymnasium imports the module before the colon and then looks into its registry. Importing agentgym
must not load Gymnasium, so the registration waits until Gymnasium is there.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["register_with_gymnasium"]


def register_with_gymnasium() -> None:
    """Register the built-in namespace now, or as soon as Gymnasium has been imported."""
    if "gymnasium" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterGymnasium())


def _register() -> None:
    from agentgym.registry import load_namespace

    load_namespace("agentgym")


class _AfterGymnasium:
    """An import hook that registers once, after Gymnasium's import, and is then gone."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "gymnasium" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
