"""A fresh stack for deep recursion: how deep the caller is must not change a verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["with_a_fresh_stack"]

_T = TypeVar("_T")
_NAME = "agentgym-math"


def with_a_fresh_stack(function: Callable[[], _T], otherwise: _T) -> _T:
    """Call a function, once more in a thread of its own if the stack ends.

    Args:
        function: What recurses.
        otherwise: What to return if even an empty stack is too small.
    """
    try:
        return function()
    except RecursionError:
        if threading.current_thread().name == _NAME:
            return otherwise
    result: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(with_a_fresh_stack(function, otherwise))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name=_NAME, daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
