"""Who judges next: a few processes lent to any number of threads, and a spare behind them."""

from __future__ import annotations

import threading
from collections import deque

from agentgym.errors import Unscored, UsageError
from agentgym_envs.math.judge import Judge

__all__ = ["Bench"]

SPARES = 1
FAILED_STARTS = 3  # in a row: no accident
CLOSE_WAIT_S = 5.0


class Bench:
    """Judging processes, lent first come, first served; what is lost is replaced at once."""

    def __init__(self, seats: int) -> None:
        self._seats = seats
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._idle: deque[Judge] = deque()
        self._lent: set[Judge] = set()
        self._killed: list[Judge] = []
        self._failed_starts = 0
        self._closed = False
        try:
            with self._changed:
                self._fill()
        except BaseException:
            self.close()
            raise

    def lend(self, *, wait: bool) -> Judge | None:
        """Lend a judge, if need be one that is not ready yet.

        Args:
            wait: Whether to wait for one; else None is returned where all are taken or promised.

        Raises:
            UsageError: If the bench is closed.
            Unscored: If processes cannot be started.
        """
        with self._changed:
            self._check_open()
            if not wait and (self._waiting or len(self._lent) >= self._seats):
                return None
            self._await_turn()
            judge = self._choose()
            self._lent.add(judge)
            return judge

    def _await_turn(self) -> None:
        ticket = object()
        self._waiting.append(ticket)
        try:
            while self._waiting[0] is not ticket or len(self._lent) >= self._seats:
                self._changed.wait()
                self._check_open()
        finally:
            self._waiting.remove(ticket)
            self._changed.notify_all()

    def _choose(self) -> Judge:
        """Take the first that is ready, or else the first that was started."""
        while True:
            self._fill()
            judge = next((each for each in self._idle if each.is_ready()), self._idle[0])
            self._idle.remove(judge)
            if not judge.ended:
                return judge
            self._drop(judge)  # somebody killed it, or it never came up

    def give_back(self, judge: Judge, *, spent: bool = False) -> None:
        """Take a judge back that has replied; one that is spent is replaced."""
        self._failed_starts = 0
        if spent:
            self.discard(judge)
            return
        with self._changed:
            self._lent.discard(judge)
            self._idle.appendleft(judge)
            self._changed.notify_all()

    def discard(self, judge: Judge) -> None:
        """Kill a lent judge and replace it; once is enough, and twice does no harm.

        Raises:
            Unscored: If one process after another ends before it is ready.
        """
        with self._changed:
            if judge not in self._lent:
                return
            self._lent.remove(judge)
            try:
                self._drop(judge)
                self._fill()
            finally:
                self._changed.notify_all()

    def check_open(self) -> None:
        """Raise a `UsageError` if the bench is closed."""
        with self._changed:
            self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this Verifier is closed; make a new one")

    def _drop(self, judge: Judge) -> None:
        failed = judge.ended and not judge.ready and not self._closed
        told = f"{judge.why_it_ended()}: {judge.last_words()}" if failed else ""
        judge.kill()
        judge.close()
        self._killed.append(judge)
        self._failed_starts += failed
        if failed and self._failed_starts >= FAILED_STARTS:
            raise Unscored(f"judging processes end before they are ready: {told}")

    def _fill(self) -> None:
        self._killed = [judge for judge in self._killed if not judge.bury()]
        while not self._closed and len(self._idle) + len(self._lent) < self._seats + SPARES:
            self._idle.append(Judge())

    def close(self) -> None:
        """End all processes, those that judge included; leave nothing behind."""
        with self._changed:
            self._closed = True
            for judge in self._lent:
                judge.kill()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._lent, CLOSE_WAIT_S)
            left = [*self._idle, *self._lent]
            self._idle.clear()
            self._lent.clear()
            for judge in left:
                self._drop(judge)
            self._killed = [each for each in self._killed if not each.bury(CLOSE_WAIT_S)]

    def abandon(self) -> None:
        """Close a fork's copies of the descriptors; the processes are not its own."""
        for judge in [*self._idle, *self._lent]:
            judge.close()
