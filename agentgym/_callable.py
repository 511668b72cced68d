"""Packages that can be called like the function they are named after.

``agentgym.train`` is a package, and importing any part of it sets that attribute, whatever function
stood there before. So the package itself answers a call: ``agentgym.train(config)``.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["CallableModule", "make_callable"]


class CallableModule(ModuleType):
    """A module that passes calls on to a function, imported when first called."""

    call_target: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        module, _, name = self.call_target.partition(":")
        return getattr(importlib.import_module(module), name)(*args, **kwargs)


def make_callable(name: str, target: str) -> None:
    """Let a module be called.

    Args:
        name: The module, already in ``sys.modules``.
        target: ``module:function``.
    """
    module = sys.modules[name]
    module.__class__ = CallableModule
    vars(module)["call_target"] = target
