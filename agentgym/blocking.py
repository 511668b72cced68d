"""Calling asynchronous code from code that waits, in scripts and in notebooks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["wait_for"]

_T = TypeVar("_T")


def wait_for(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end and return its result.

    Inside a running event loop, as in a notebook, it runs in a loop of its own in another thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, "agentgym-loop") as thread:
        return thread.submit(asyncio.run, coroutine).result()
