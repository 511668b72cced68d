"""Functions of one's own, named as ``module:function`` where a row of a table could be."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["row_or_own"]

Function = TypeVar("Function", bound=Callable[..., object])


def row_or_own(kind: str, name: str, table: Mapping[str, Function]) -> Function:
    """Return the function of this name.

    Args:
        kind: What it is, for the error.
        name: A row of the table, or ``module:function``.
        table: The functions that agentgym has.

    Raises:
        ConfigError: If there is none, with the nearest name, or the module cannot be imported.
    """
    if name in table:
        return table[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ConfigError(f"no {kind} '{name}'; {perhaps_you_meant(name, table)}")
    try:
        return cast(Function, getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{kind} '{name}' cannot be imported ({error}); name a function as module:function, "
            "with the module's folder on PYTHONPATH"
        ) from error
