"""Warm sessions: made ahead in the background, or added by whoever has made one; each leased once.

Nothing is made before the first lease, so a sandbox that nobody uses costs nothing; a sandbox that
waits costs the memory of `size` idle sessions and no processor time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from agentgym_sandbox.base import SandboxError

__all__ = ["Pool"]

T = TypeVar("T")


class Pool(Generic[T]):
    """Keeps up to `size` fresh things ready; may be used from many threads.

    Args:
        make: Makes one; may raise `SandboxError`.
        fit: Says whether one that has waited can still be used.
        drop: Ends one that is not needed or not fit.
        size: How many to make ahead; with 0 every lease makes its own.
        keep: How many may wait, with those that are added.
        makers: How many are made at a time in the background.
    """

    def __init__(
        self,
        make: Callable[[], T],
        fit: Callable[[T], bool],
        drop: Callable[[T], None],
        *,
        size: int,
        keep: int = 0,
        makers: int = 1,
    ) -> None:
        self._make, self._fit, self._drop = make, fit, drop
        self._size = size
        self._keep = keep
        self._makers = makers
        self._ready: deque[T] = deque()
        self._making = 0
        self._wanted = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def lease(self) -> T:
        """Give a warm one, or make one now.

        Raises:
            SandboxError: If one had to be made and could not be.
        """
        while True:
            with self._wanted:
                found = self._ready.popleft() if self._ready else None
                if self._size and not self._closed and self._short():
                    self._start_makers()
                    self._wanted.notify_all()
            if found is None:
                return self._make()
            if self._fit(found):
                return found
            self._drop(found)

    def has_room(self) -> bool:
        """Whether one more may wait."""
        return not self._closed and len(self._ready) < self._keep

    def add(self, made: T) -> None:
        """Keep one more; it is dropped if there is no room for it."""
        with self._wanted:
            kept = self.has_room()
            if kept:
                self._ready.append(made)
        if not kept:
            self._drop(made)

    def close(self) -> None:
        """End all that wait, and those that are being made; may be called twice."""
        with self._wanted:
            self._closed = True
            self._wanted.notify_all()
        for thread in self._threads:
            thread.join()
        while self._ready:
            self._drop(self._ready.popleft())

    def _start_makers(self) -> None:
        if not self._threads:
            for _ in range(self._makers):
                thread = threading.Thread(target=self._refill, name="sandbox-pool", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _refill(self) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(self._short)
                if self._closed:
                    return
                self._making += 1
            made = self._made()
            with self._wanted:
                self._making -= 1
                if made is not None:
                    self._ready.append(made)
                elif not self._closed:  # the next lease makes its own, and says why it cannot
                    self._wanted.wait()

    def _short(self) -> bool:
        return self._closed or len(self._ready) + self._making < self._size

    def _made(self) -> T | None:
        try:
            return self._make()
        except SandboxError:
            return None
