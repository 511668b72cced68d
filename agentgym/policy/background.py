"""An event loop in a thread of its own, for what outlives a rollout.

Each rollout runs in an event loop of its own, and a connection belongs to the loop that opened it.
What stays connected from one rollout to the next (an engine in another process, a server) lives
here, and is asked from wherever it is needed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["BackgroundLoop"]

_T = TypeVar("_T")


class BackgroundLoop:
    """A running event loop.

    Args:
        name: Of its thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._loop.is_closed()

    async def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine there, wait for it here; a cancelled wait cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Do what `run` does, from code that is not asynchronous."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Cancel what still runs there and end the thread; safe to call twice."""
        if self._loop.is_closed():
            return
        self.wait(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
